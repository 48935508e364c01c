//! cargo-fuzz, which builds the fuzz targets with what libFuzzer needs, and runs them.

use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{cargo, read, run, say};

const VERSION: &str = "0.13.2";

pub(super) fn ensure() -> Result<()> {
    let told = || read(Command::new("cargo-fuzz").arg("--version"));
    if told().is_ok() {
        return Ok(());
    }
    say(format_args!(
        "Building cargo-fuzz {VERSION}; this takes a minute."
    ));
    let mut install = cargo();
    install.args(["install", "cargo-fuzz", "--locked", "--version", VERSION]);
    // It only starts others: an unoptimised build is the quicker whole.
    install.arg("--debug");
    install.env_remove("CARGO_TARGET_DIR");
    run(&mut install)?;
    told()
        .map(drop)
        .context("cargo-fuzz is installed but does not run: is cargo's bin directory in PATH?")
}
