//! cargo-mutants, which changes code in small ways and looks whether a test notices.

use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{cargo, read, run, say};

const VERSION: &str = "27.1.0";

pub(super) fn ensure() -> Result<()> {
    if version().is_ok_and(|version| version.ends_with(VERSION)) {
        return Ok(());
    }
    say(format_args!(
        "Building cargo-mutants {VERSION}; this takes a minute or two."
    ));
    let mut install = cargo();
    install.args(["install", "cargo-mutants", "--locked", "--force"]);
    install.args(["--version", VERSION]);
    // It waits for builds and tests: an unoptimised one is the quicker whole.
    install
        .arg("--debug")
        .env("CARGO_PROFILE_DEV_DEBUG", "false");
    install.env_remove("CARGO_TARGET_DIR");
    run(&mut install)?;
    version().context(
        "cargo-mutants is installed but does not run: is cargo's bin directory in PATH?",
    )?;
    Ok(())
}

fn version() -> Result<String> {
    read(Command::new("cargo-mutants").args(["mutants", "--version"]))
}
