//! Processes of a node itself, which are no container's: the ports on which they listen are their own.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::node::Node;
use crate::wait;

const STARTS: Duration = Duration::from_secs(10);

/// A process of a node that listens by TCP and by UDP, in a cgroup of its own, as those have that an
/// init system starts. Without it the process would be in the engine's cgroup, and agents take
/// listeners of that cgroup for the engine's own.
#[derive(Debug)]
pub struct Daemon {
    process: Child,
    cgroup: String,
}

impl Daemon {
    /// Starts the test service `whoami` on `port` of `node`, and waits until it listens.
    pub fn start(node: &Node, whoami: &Path, port: u16) -> Result<Self> {
        let cgroup = format!("{}-{port}", node.name);
        let whoami = whoami.display();
        let script = format!(
            "mount -t cgroup2 none /mnt && mkdir -p /mnt/{cgroup} && echo $$ > /mnt/{cgroup}/cgroup.procs \
             && exec {whoami} --port {port}"
        );
        let mut command = node.netns.command("unshare");
        let process = command
            .args(["--mount", "sh", "-c", &script])
            .spawn()
            .with_context(|| format!("starting a process on {}", node.name))?;
        let daemon = Self { process, cgroup };
        let what = format!("a process that listens on port {port} of {}", node.name);
        wait::until(&what, STARTS, || {
            let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            Ok(node.netns.run(connect)?.ok())
        })?;
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let script = format!("mount -t cgroup2 none /mnt && rmdir /mnt/{}", self.cgroup);
        let _ = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .status();
    }
}
