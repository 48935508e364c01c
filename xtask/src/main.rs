//! `cargo xtask VERB`: everything that CI, the README and a developer do with
//! this repository beyond plain cargo. One verb per file; each verb says what
//! it does in plain sentences on stderr, and leaves stdout to what it runs.

mod bench;
mod compare;
mod demo;
mod fuzz;
mod image;
mod lab;
mod mutants;
mod process;
mod setup;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, checks, packs and shows swarmlb"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Find or fetch what the build, the lab and the tests need
    Setup(setup::Args),
    /// Check everything, as CI does
    Test(test::Args),
    /// Check the repository's own rules
    Tidy,
    /// Look for bytes that break what the datapath promises
    Fuzz(fuzz::Args),
    /// Look for changes to the code that decides which no test notices
    Mutants(mutants::Args),
    /// Build static binaries and an image that `docker load` takes
    Image(image::Args),
    /// Run a Swarm of several nodes on this machine: up, status, exec, down
    Lab(lab::Args),
    /// Measure what packets cost, and traffic through a published port
    Bench(bench::Args),
    /// Measure Swarm's own mesh and swarmlb in turn, in a virtual machine
    Compare(compare::Args),
    /// Show swarmlb at work on such a Swarm
    Demo(demo::Args),
    /// Run commands in a virtual machine with another kernel: up, run, down
    Vm(vm::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Setup(args) => setup::run_verb(&args),
        Verb::Test(args) => test::run_verb(&args),
        Verb::Tidy => tidy::run_verb(),
        Verb::Fuzz(args) => fuzz::run_verb(&args),
        Verb::Mutants(args) => mutants::run_verb(&args),
        Verb::Image(args) => image::run_verb(&args),
        Verb::Lab(args) => lab::run_verb(&args),
        Verb::Bench(args) => bench::run_verb(&args),
        Verb::Compare(args) => compare::run_verb(&args),
        Verb::Demo(args) => demo::run_verb(&args),
        Verb::Vm(args) => return code(vm::run_verb(&args)),
    };
    code(done.map(|()| ExitCode::SUCCESS))
}

fn code(done: anyhow::Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) => {
            // All causes in one line; a backtrace through this program helps nobody.
            process::say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
