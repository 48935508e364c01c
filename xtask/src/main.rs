//! `cargo xtask VERB`: everything that CI, the README and a developer do with
//! this repository beyond plain cargo. One verb per file; each verb says what
//! it does in plain sentences on stderr, and leaves stdout to what it runs.

mod process;
mod setup;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, checks, packs and shows swarmlb")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Find or fetch what the build, the lab and the tests need
    Setup(setup::Args),
}

fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Setup(args) => setup::run_verb(&args),
    }
}
