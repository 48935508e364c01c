//! `cargo xtask lab …`: the laboratory of `tests/`, a Swarm on this machine.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::cargo;
use crate::{image, setup};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments for the laboratory; `help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// The verb: becomes the laboratory's own command line.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    if args.args.first().is_some_and(|verb| verb == "up") {
        setup::lab()?;
        image::whoami()?;
    }
    Err(command(&args.args).exec()).context("cannot start the laboratory")
}

/// A command of the laboratory.
pub(crate) fn command<T: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = T>) -> Command {
    let mut lab = cargo();
    lab.args([
        "run",
        "--quiet",
        "--package",
        "lb-tests",
        "--bin",
        "lab",
        "--",
    ])
    .args(args);
    lab
}
