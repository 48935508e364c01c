//! `cargo xtask image`: static binaries, and images made of nothing else, as
//! archives that `docker load` takes. No engine and no registry is needed, and
//! the same binaries give the same archive, byte for byte.

mod archive;
mod elf;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, run, say, target_dir};
use crate::setup;
use archive::{Image, Program};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build the test service `whoami` instead of the agent
    #[arg(long)]
    whoami: bool,
}

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    let archive = if args.whoami { whoami()? } else { shipped()? };
    say(format_args!(
        "Load it with `docker load -i {}`.",
        archive.display()
    ));
    Ok(())
}

/// The agent and its CLI.
const AGENT: [(&str, &str); 2] = [("swarmlb", "swarmlb"), ("lbctl", "lbctl")];
/// The HTTP router.
const ROUTER: (&str, &str) = ("lb-router", "swarmlb-router");

/// Builds the agent, its CLI and the HTTP router as fast as they are built, for tests and trials; returns the
/// image's archive.
pub(crate) fn agent() -> Result<PathBuf> {
    setup::bpf()?;
    say("Building static swarmlb, lbctl and swarmlb-router.");
    let [agent, lbctl] = AGENT;
    image(&static_programs(&[agent, lbctl, ROUTER], RELEASE)?)
}

/// Builds what is given to users, and what is measured: the router is on the path of each request, and optimised as one
/// piece, which takes minutes.
pub(crate) fn shipped() -> Result<PathBuf> {
    setup::bpf()?;
    say("Building static swarmlb and lbctl.");
    let mut programs = static_programs(&AGENT, RELEASE)?;
    say("Building static swarmlb-router, optimised as one piece.");
    programs.extend(static_programs(&[ROUTER], "shipped")?);
    image(&programs)
}

fn image(programs: &[Program]) -> Result<PathBuf> {
    let version = concat!("swarmlb:", env!("CARGO_PKG_VERSION"));
    let image = Image {
        names: &[version, "swarmlb:latest"],
        // With the root as search path, `docker exec AGENT lbctl stats` works.
        // Where deploy/stack.yml mounts the BPF file system of the node.
        environment: &["PATH=/", "SWARMLB_BPFFS=/host/sys/fs/bpf"],
        entrypoint: &["/swarmlb"],
        command: &["run"],
    };
    write_archive(&image, programs, "swarmlb-image.tar")
}

/// Builds the test service; returns the image's archive.
pub(crate) fn whoami() -> Result<PathBuf> {
    say("Building the static test service whoami.");
    let programs = static_programs(&[("lb-tests", "whoami")], RELEASE)?;
    let image = Image {
        names: &["whoami:latest"],
        environment: &["PATH=/"],
        entrypoint: &["/whoami"],
        command: &[],
    };
    write_archive(&image, &programs, "whoami-image.tar")
}

/// Builds what measures in a virtual machine, which has no compiler; returns its path.
pub(crate) fn compare() -> Result<PathBuf> {
    say("Building what measures.");
    static_programs(&[("lb-tests", "compare")], RELEASE)?;
    Ok(dist_dir().join("compare"))
}

/// Where the results are.
pub(crate) fn dist_dir() -> PathBuf {
    target_dir().join("dist")
}

/// Cargo's own profile.
const RELEASE: &str = "release";

/// Builds (package, binary) pairs by a profile without a need for shared libraries, and puts
/// them into the dist directory.
fn static_programs(wanted: &[(&str, &str)], profile: &str) -> Result<Vec<Program>> {
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let mut build = cargo();
    build.args([
        "build",
        "--profile",
        profile,
        "--locked",
        "--target",
        &target,
    ]);
    for (package, binary) in wanted {
        build.args(["--package", package, "--bin", binary]);
    }
    // With --target the flags are not those of build scripts and macros.
    build
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    run(&mut build)?;
    let built = target_dir().join(target).join(profile);
    wanted
        .iter()
        .map(|(_, name)| collect(&built, name))
        .collect()
}

fn collect(built: &Path, name: &str) -> Result<Program> {
    let from = built.join(name);
    let bytes = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
    if elf::needs_interpreter(&bytes).with_context(|| from.display().to_string())? {
        bail!(
            "{} is not static: it would not start in an empty image",
            from.display()
        );
    }
    let to = dist_dir().join(name);
    fs::create_dir_all(dist_dir())?;
    fs::copy(&from, &to).with_context(|| format!("cannot write {}", to.display()))?;
    say(format_args!(
        "Wrote {} (static, {} KiB).",
        to.display(),
        bytes.len() / 1024
    ));
    Ok(Program {
        name: name.to_owned(),
        bytes,
    })
}

fn write_archive(image: &Image<'_>, programs: &[Program], file: &str) -> Result<PathBuf> {
    let path = dist_dir().join(file);
    let bytes = image.archive(programs)?;
    fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    say(format_args!(
        "Wrote {} with {}.",
        path.display(),
        image.names.join(" and ")
    ));
    Ok(path)
}
