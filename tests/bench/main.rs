//! `cargo xtask bench`: what a packet, a connection, a byte and a request cost through swarmlb.
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

mod effort;
mod figures;
mod packets;
mod report;
mod router;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use effort::Effort;
use packets::Objects;
use report::Report;
use router::GoProxies;

#[derive(Parser)]
struct Args {
    /// The part to measure
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// The wrappers for programs that are measured, compiled
    #[arg(long)]
    programs: PathBuf,
    /// The program that encapsulated packets are compared with, compiled
    #[arg(long)]
    floor: PathBuf,
    /// Router: the program of Caddy, which takes part if it is named
    #[arg(long)]
    caddy: Option<PathBuf>,
    /// Router: the program of Traefik, which takes part if it is named
    #[arg(long)]
    traefik: Option<PathBuf>,
    /// Packets: only those whose description contains this, and the bare programs
    #[arg(long)]
    only: Option<String>,
    /// One short round of everything, to see that it works
    #[arg(long)]
    quick: bool,
    /// Write the results to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Put the results into this document, in the place of the last ones
    #[arg(long)]
    document: Option<PathBuf>,
    /// Argument that `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Nanoseconds per packet in each program
    Packets,
    /// Connections, requests and bytes per second on a Swarm, and what the agents need
    Swarm,
    /// Processor time, latency and memory of the HTTP router, beside other proxies
    Router,
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
    let effort = if args.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let mut results = Vec::new();
    if wants(Part::Packets) {
        let [wrappers, floor] = [&args.programs, &args.floor]
            .map(|path| std::fs::read(path).with_context(|| format!("reading {}", path.display())));
        let objects = Objects {
            wrappers: wrappers?,
            floor: floor?,
        };
        results.extend(packets::measure(&objects, args.only.as_deref(), effort)?);
    }
    if wants(Part::Swarm) {
        results.extend(traffic::measure(effort)?);
    }
    if wants(Part::Router) {
        let go = GoProxies {
            caddy: args.caddy.clone(),
            traefik: args.traefik.clone(),
        };
        results.extend(router::measure(&go, effort)?);
    }
    let report = Report::new(results)?;
    println!("{}", report.markdown());
    if let Some(path) = &args.json {
        report.json(path)?;
    }
    if let Some(path) = &args.document {
        report.document(path)?;
    }
    Ok(())
}
