//! Takes a laboratory down when the process that made it ends, however it ends.
//!
//! The reaper is a process, `lab reap`, that waits for the end of its standard input.
//! The other end of that pipe is ours and closes with us, also by `kill -9`.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::lab_dir::LabDir;
use crate::teardown;

/// Our end of the pipe.
#[derive(Debug)]
pub struct Reaper {
    process: Child,
}

impl Reaper {
    /// Starts `lab_binary` as the reaper of the laboratory in `dir`.
    pub fn start(lab_binary: &Path, dir: &Path) -> Result<Self> {
        let mut command = Command::new(lab_binary);
        command
            .arg("--dir")
            .arg(dir)
            .arg("reap")
            .stdin(Stdio::piped());
        // Ctrl-C is for the tests; the reaper has work to do after them.
        let process = command.process_group(0).spawn();
        let process = process.with_context(|| format!("starting {}", lab_binary.display()))?;
        Ok(Self { process })
    }
}

/// Waits until the laboratory is down.
impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The command `lab reap`: waits for the end of standard input, then takes the laboratory down.
pub fn reap(dir: &LabDir) -> Result<()> {
    let mut nothing = Vec::new();
    std::io::stdin()
        .read_to_end(&mut nothing)
        .context("waiting for the end of the tests")?;
    teardown::down(dir)
}
