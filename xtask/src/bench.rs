//! `cargo xtask bench`: what swarmlb costs, per packet, through a published port and in the HTTP router. The
//! measuring is done by `tests/bench`; here is built what it measures, and what with.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::process::{cargo, root, run, say, target_dir};
use crate::{image, setup};

/// The package of the programs that only measure, and its binary with the wrappers.
const PROGRAMS: &str = "lb-bench-programs";
/// The binary of that package with the floor: the least that a program does for a packet of a known flow.
const FLOOR: &str = "lb-bench-floor";

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Measure one part only: nanoseconds per packet, traffic on a Swarm and its agents, or requests in the HTTP router
    #[arg(long, value_parser = ["packets", "swarm", "router"])]
    part: Option<String>,
    /// Packets: only those whose description contains this, and the bare programs
    #[arg(long)]
    only: Option<String>,
    /// One short round of everything, to see that it works
    #[arg(long)]
    quick: bool,
    /// Write the results to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the results into docs/bench.md
    #[arg(long, conflicts_with_all = ["part", "only", "quick"])]
    write: bool,
}

/// One short round of everything: a measurement that no longer works is seen before it is needed.
pub(crate) fn quick() -> Result<()> {
    run_verb(&Args {
        quick: true,
        ..Args::default()
    })
}

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    setup::bpf()?;
    let part = args.part.as_deref();
    if part.is_none_or(|part| part == "swarm") {
        setup::bench()?;
    }
    let router = part.is_none_or(|part| part == "router");
    if router {
        setup::proxies()?;
    }
    if part != Some("packets") {
        if args.quick {
            image::agent()?;
        } else {
            image::shipped()?;
        }
    }
    say(
        "Building the wrappers for programs that are measured, and the floor that they are compared with.",
    );
    let programs = programs()?;
    let mut bench = cargo();
    // The profile does not matter: what is measured is in the kernel and in the images, which
    // are release builds.
    bench.args(["bench", "--locked", "--profile", "dev", "--quiet"]);
    bench.args(["--package", "lb-tests", "--bench", "bench", "--"]);
    bench.arg("--programs").arg(programs.join(PROGRAMS));
    bench.arg("--floor").arg(programs.join(FLOOR));
    // The short form has to be short, and shows with three proxies that the part works.
    if router && !args.quick {
        for (proxy, program) in setup::further_proxies() {
            bench.arg(format!("--{proxy}")).arg(program);
        }
    }
    if let Some(part) = &args.part {
        bench.args(["--part", part]);
    }
    if let Some(only) = &args.only {
        bench.args(["--only", only]);
    }
    if args.quick {
        bench.arg("--quick");
    }
    if let Some(json) = &args.json {
        bench.arg("--json").arg(std::path::absolute(json)?);
    }
    if args.write {
        bench.arg("--document").arg(root().join("docs/bench.md"));
    }
    run(&mut bench)
}

/// Compiles the wrappers and the floor, as agent/build/programs.rs does the agent's programs; the directory of both.
fn programs() -> Result<PathBuf> {
    let target = if cfg!(target_endian = "big") {
        "bpfeb-unknown-none"
    } else {
        "bpfel-unknown-none"
    };
    let directory = target_dir().join("bench-programs");
    let flags = [
        &format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH),
        "-Ctarget-cpu=v3",
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
    ]
    .join("\x1f");
    let mut build = cargo();
    build.args(["build", "--locked", "--release", "--package", PROGRAMS]);
    build.args(["-Zbuild-std=core", "--target", target, "--target-dir"]);
    build
        .arg(&directory)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    run(&mut build).context("the wrappers did not build")?;
    Ok(directory.join(target).join("release"))
}
