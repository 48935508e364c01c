//! Machine and versions that were measured.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use harness::agents::dist;
use harness::shell;
use harness::swarm::Swarm;

use crate::results::Machine;

/// This machine.
pub(crate) fn this(swarm: &Swarm) -> Result<Machine> {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| Some(line.split_once(": ")?.1));
    let version = ["version", "--format", "{{.Server.Version}}"];
    Ok(Machine {
        date: shell::run("date -u +%F")?,
        kernel: shell::run("uname -r")?,
        engine: swarm.manager()?.docker(&version)?,
        processor: model.unwrap_or("unknown").to_owned(),
        cpus: std::thread::available_parallelism()?.get(),
    })
}

/// The agent's version.
pub(crate) fn swarmlb() -> Result<String> {
    let said = shell::stdout(Command::new(dist("swarmlb")?).arg("--version"))?;
    let version = said.split(' ').nth(1);
    Ok(version.context("swarmlb tells no version")?.to_owned())
}
