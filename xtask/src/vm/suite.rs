//! The Swarm suite in a guest, where the stock mesh is under it, by each datapath.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use super::boot;
use super::guest::Guest;
use super::machine::Machine;
use crate::process::{cargo, read, say};

/// Where to run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Guests {
    /// Debian 12: engine 20.10, kernel 6.1
    Bookworm,
    /// Debian 13: engine 26.1, kernel 6.12
    Trixie,
    /// Debian unstable: engine 28.5, kernel 7
    Sid,
    /// One after the other
    All,
}

impl Guests {
    fn each(self) -> Vec<Guest> {
        match self {
            Self::Bookworm => vec![Guest::Bookworm],
            Self::Trixie => vec![Guest::Trixie],
            Self::Sid => vec![Guest::Sid],
            Self::All => vec![Guest::Bookworm, Guest::Trixie, Guest::Sid],
        }
    }
}

/// Runs the tests of the Swarm suite whose names contain one of `filters` (all, if there are
/// none) in each guest by each of `datapaths`. The guest ends whatever becomes of them.
pub(crate) fn swarm(guests: Guests, datapaths: &[&str], filters: &[&str]) -> Result<()> {
    let suite = suite()?;
    for guest in guests.each() {
        boot(guest)?;
        let machine = Machine::running()?;
        let done = datapaths
            .iter()
            .try_for_each(|datapath| one(&machine, guest, datapath, &suite, filters));
        machine.stop()?;
        done?;
    }
    Ok(())
}

fn one(
    machine: &Machine,
    guest: Guest,
    datapath: &str,
    suite: &std::path::Path,
    filters: &[&str],
) -> Result<()> {
    say(format_args!("The Swarm suite on {guest}, by {datapath}:"));
    let begin = Instant::now();
    let mut command = vec![
        OsString::from("env"),
        format!("SWARMLB_DATAPATH={datapath}").into(),
        // Nobody reads notes there: what can't run has failed.
        "CI=true".into(),
        suite.into(),
        "--test-threads=1".into(),
    ];
    command.extend(filters.iter().map(OsString::from));
    if machine.run(&command)? != ExitCode::SUCCESS {
        bail!("the Swarm suite failed on {guest} by {datapath}");
    }
    say(format_args!(
        "The Swarm suite passed on {guest} by {datapath} in {:.0} s.",
        begin.elapsed().as_secs_f32()
    ));
    Ok(())
}

/// The suite's program, built here: there is no compiler in the guest.
fn suite() -> Result<PathBuf> {
    let mut build = cargo();
    build.args([
        "test",
        "--locked",
        "--package",
        "lb-tests",
        "--test",
        "swarm",
    ]);
    let told = read(build.args(["--no-run", "--message-format", "json"]))?;
    told.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name") == Some(&Value::from("swarm")))
        .find_map(|message| Some(message.get("executable")?.as_str()?.into()))
        .context("cargo did not say where it put the suite's program")
}
