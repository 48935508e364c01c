//! `cargo xtask bench`: what a packet, a connection and a byte cost through swarmlb.
//!
//! Every figure stands beside one that was taken without swarmlb in the same run, round by
//! round in turn: machines differ and are busy, and only the two together say something.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "results for whoever started it, and progress"
)]

#[path = "../datapath/frames.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the datapath suite's own words, of which some are enough here"
)]
mod frames;
#[path = "../datapath/lab.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the same")]
mod lab;
#[path = "../datapath/states.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the same")]
mod states;

mod figures;
mod packets;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};

#[derive(Parser)]
struct Args {
    /// What to measure
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// The wrappers for programs that are measured, compiled
    #[arg(long)]
    programs: PathBuf,
    /// Write the results to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// What `cargo bench` passes on
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Nanoseconds per packet in each program
    Packets,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "it loads BPF programs and makes network namespaces: run it as root"
    );
    let wants = |part| args.part.is_none_or(|wanted| wanted == part);
    let mut results = Vec::new();
    if wants(Part::Packets) {
        let object = std::fs::read(&args.programs)
            .with_context(|| format!("reading {}", args.programs.display()))?;
        results.extend(packets::measure(&object)?);
    }
    for table in &results {
        println!("{table}");
    }
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&results)?;
        std::fs::write(path, json).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
