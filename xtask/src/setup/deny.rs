//! cargo-deny, which checks licences, bans and sources of the dependencies, and once a week advisories on them
//! (`.github/workflows/advisories.yml`).

use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{cargo, read, run, say};

const VERSION: &str = "0.20.2";

pub(super) fn ensure() -> Result<()> {
    if read(Command::new("cargo-deny").arg("--version")).is_ok() {
        return Ok(());
    }
    say(format_args!(
        "Building cargo-deny {VERSION}; this takes a minute."
    ));
    let mut install = cargo();
    install.args(["install", "cargo-deny", "--locked", "--version", VERSION]);
    // It runs for a second at a time: an unoptimised build is the quicker whole.
    install
        .arg("--debug")
        .env("CARGO_PROFILE_DEV_DEBUG", "false");
    install.env_remove("CARGO_TARGET_DIR");
    run(&mut install)?;
    read(Command::new("cargo-deny").arg("--version"))
        .context("cargo-deny is installed but does not run: is cargo's bin directory in PATH?")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::VERSION;
    use crate::process::root;

    #[test]
    fn the_weekly_look_for_advisories_is_by_the_same_version() {
        let workflow = root().join(".github/workflows/advisories.yml");
        let workflow = std::fs::read_to_string(workflow).unwrap();
        let install = format!("cargo install cargo-deny --locked --version {VERSION}\n");
        assert!(workflow.contains(&install), "{workflow}");
        assert!(workflow.contains("check advisories") && workflow.contains("schedule:"));
    }
}
