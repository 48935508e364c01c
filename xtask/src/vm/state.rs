//! The state file of a running machine, by which the next process finds it, and
//! ends it also after a crash.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::process::{read, remove_tree, target_dir};

const FILE: &str = "machine.json";

/// A machine, as its directory describes it.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The guest's name.
    pub(super) guest: String,
    /// Port on the loopback that leads to the guest's ssh.
    pub(super) port: u16,
    /// Does its clock count instructions?
    #[serde(default)]
    pub(super) steady: bool,
    /// Parameters of its kernel beside those of every guest.
    #[serde(default)]
    pub(super) kernel_parameters: Vec<String>,
    /// Processes of the machine, by name.
    pids: BTreeMap<String, u32>,
}

impl State {
    /// A machine of which no process runs yet.
    pub(super) fn new(guest: &str, port: u16, steady: bool, kernel_parameters: &[String]) -> Self {
        Self {
            guest: guest.to_owned(),
            port,
            steady,
            kernel_parameters: kernel_parameters.to_vec(),
            pids: BTreeMap::new(),
        }
    }

    /// Reads the state file of `directory`.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let text = fs::read(directory.join(FILE))
            .context("no virtual machine is running: `cargo xtask vm up` boots one")?;
        serde_json::from_slice(&text).context("the description of the virtual machine is damaged")
    }

    /// Adds a process, before anything else can happen to it.
    pub(super) fn add(&mut self, directory: &Path, name: &str, pid: u32) -> Result<()> {
        self.pids.insert(name.to_owned(), pid);
        let text = serde_json::to_vec(self)?;
        fs::write(directory.join(FILE), text).context("cannot describe the virtual machine")
    }

    /// Does this process of the machine run?
    pub(super) fn lives(&self, directory: &Path, name: &str) -> bool {
        self.pids.get(name).is_some_and(|pid| ours(*pid, directory))
    }
}

/// Where a machine's files are.
pub(super) fn directory() -> PathBuf {
    target_dir().join("vm")
}

/// Is the process with this number one that was started for the machine in `directory`?
/// Numbers are used again: its command line names the directory.
fn ours(pid: u32, directory: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mark = directory.as_os_str().as_bytes();
    line.windows(mark.len()).any(|window| window == mark)
}

/// Ends what is left of a machine, and removes its directory.
pub(super) fn remove(directory: &Path) -> Result<()> {
    let state = State::read(directory).unwrap_or_default();
    for pid in state.pids.into_values() {
        let begin = Instant::now();
        while ours(pid, directory) {
            if begin.elapsed() > Duration::from_secs(10) {
                bail!("process {pid} of the virtual machine does not end");
            }
            // Gone between two looks is as good as ended.
            let _ = read(Command::new("kill").args(["-KILL", &pid.to_string()]));
            sleep(Duration::from_millis(50));
        }
    }
    remove_tree(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_not_ended() {
        let nowhere = Path::new("/nowhere/of/a/machine");
        assert!(!ours(std::process::id(), nowhere));
    }
}
