//! The state file of a running machine, by which the next process finds it, and
//! ends it also after a crash.

use std::collections::BTreeMap;
use std::fs;
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
    processes: BTreeMap<String, Process>,
}

/// A process, known also when its number is another's. It is known from its first moment: what `/proc/PID/cmdline`
/// says is empty while a new program is read from a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Process {
    pid: u32,
    /// Clock ticks from the kernel's start to its own: `starttime` of proc_pid_stat(5).
    start: u64,
}

impl Process {
    /// The process with this number, unless it has ended.
    fn running(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Field 2, the name, may have spaces and parentheses; state is field 3, the start is field 22.
        let (_, fields) = text.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let is_over = matches!(fields.next()?, "Z" | "X");
        let start = fields.nth(18)?.parse().ok()?;
        (!is_over).then_some(Self { pid, start })
    }

    fn runs(self) -> bool {
        Self::running(self.pid) == Some(self)
    }
}

impl State {
    /// A machine of which no process runs yet.
    pub(super) fn new(guest: &str, port: u16, steady: bool, kernel_parameters: &[String]) -> Self {
        Self {
            guest: guest.to_owned(),
            port,
            steady,
            kernel_parameters: kernel_parameters.to_vec(),
            processes: BTreeMap::new(),
        }
    }

    /// Reads the state file of `directory`.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let text = fs::read(directory.join(FILE))
            .context("no virtual machine is running: `cargo xtask vm up` boots one")?;
        serde_json::from_slice(&text).context("the description of the virtual machine is damaged")
    }

    /// Adds a process, before anything else can happen to it. One that has ended already is none.
    pub(super) fn add(&mut self, directory: &Path, name: &str, pid: u32) -> Result<()> {
        if let Some(process) = Process::running(pid) {
            self.processes.insert(name.to_owned(), process);
        }
        let text = serde_json::to_vec(self)?;
        fs::write(directory.join(FILE), text).context("cannot describe the virtual machine")
    }

    /// Does this process of the machine run?
    pub(super) fn lives(&self, name: &str) -> bool {
        self.processes.get(name).is_some_and(|each| each.runs())
    }
}

/// Where a machine's files are.
pub(super) fn directory() -> PathBuf {
    target_dir().join("vm")
}

/// Ends what is left of a machine, and removes its directory.
pub(super) fn remove(directory: &Path) -> Result<()> {
    let state = State::read(directory).unwrap_or_default();
    for process in state.processes.into_values() {
        let pid = process.pid;
        let begin = Instant::now();
        while process.runs() {
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
    fn a_process_is_known_from_its_start_to_its_end_and_no_other_is_taken_for_it() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::running(child.id()).unwrap();
        assert!(process.runs());
        let elder = Process {
            start: process.start - 1,
            ..process
        };
        assert!(!elder.runs());
        child.kill().unwrap();
        // It has ended also where nobody has asked yet how.
        let begin = Instant::now();
        while process.runs() {
            assert!(begin.elapsed() < Duration::from_secs(10));
        }
        child.wait().unwrap();
        assert!(!process.runs());
    }
}
