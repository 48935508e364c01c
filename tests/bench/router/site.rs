//! What all proxies serve: a host, its certificate, and the task behind it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use harness::certificate::self_signed;
use harness::netns::Netns;
use tempfile::TempDir;

/// The host that is served.
pub(super) const HOST: &str = "bench.test";
/// Port of the task.
pub(super) const TASK: u16 = 18_080;

/// Files of all proxies, and the task that they lead to.
pub(super) struct Site {
    dir: TempDir,
}

impl Site {
    /// Makes a certificate.
    pub(super) fn prepare() -> Result<Self> {
        let site = Self {
            dir: tempfile::tempdir()?,
        };
        let [certificate, key] = self_signed(site.dir(), "site", &[HOST, "127.0.0.1"])?;
        // HAProxy wants both in one file.
        let both = [fs::read(certificate)?, fs::read(key)?].concat();
        fs::write(site.dir().join("both.pem"), both)?;
        Ok(site)
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A task that answers as fast as one thread can.
    pub(super) fn task(&self, netns: &Netns) -> Command {
        let mut command = netns.command(env!("CARGO_BIN_EXE_whoami"));
        command.args(["quick", "--at", &TASK.to_string()]);
        command
    }

    /// Writes a file; its path.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<String> {
        let path = self.dir().join(name);
        fs::write(&path, content)?;
        Ok(path.display().to_string())
    }
}
