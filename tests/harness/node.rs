//! One node: a namespace of the network, with mounts and a host name of its own.
//!
//! A process that only sleeps, the holder, keeps the node's mount and UTS
//! namespaces, as the first process of a machine would: an engine may be killed
//! and started again in the same node.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::lab_dir::LabDir;
use crate::netns::Netns;
use crate::topology::{node_addr, node_netns};
use crate::{procs, shell, wait};

const SETUP: &str = include_str!("node_setup.sh");
const SETUP_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle of one node. Copies are handles of the same one.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its host name: node1, node2, …
    pub name: String,
    /// Its address on `eth0`.
    pub addr: Ipv4Addr,
    /// Its network namespace.
    pub netns: Netns,
    dir: PathBuf,
}

impl Node {
    /// The handle of node `number`, counted from 1, of a laboratory.
    #[must_use]
    pub fn handle(lab: &LabDir, prefix: &str, number: u8) -> Self {
        let name = format!("node{number}");
        let dir = lab.node(prefix, &name);
        Self {
            addr: node_addr(number),
            netns: node_netns(prefix, number),
            name,
            dir,
        }
    }

    /// Makes the node's mounts and starts its holder.
    pub fn boot(&self) -> Result<()> {
        fs::create_dir_all(&self.dir)?;
        let mut unshare = self.netns.command("unshare");
        unshare
            .args([
                "--mount",
                "--uts",
                "--",
                "sh",
                "-c",
                SETUP,
                "sh",
                self.name.as_str(),
            ])
            .arg(&self.dir)
            .process_group(0);
        let holder = self.spawn(&mut unshare, "setup.log")?;
        fs::write(self.dir.join("holder.pid"), holder.to_string())?;
        let ready = self.dir.join("ready");
        wait::until(&format!("{} to boot", self.name), SETUP_TIMEOUT, || {
            if ready.exists() {
                return Ok(Some(()));
            }
            ensure!(
                procs::is_alive(holder),
                "{}: {}",
                self.name,
                self.log("setup.log")
            );
            Ok(None)
        })
    }

    /// The holder's pid, if it still runs.
    pub fn holder(&self) -> Result<u32> {
        let path = self.dir.join("holder.pid");
        let text = fs::read_to_string(&path).with_context(|| format!("{} is not up", self.name))?;
        let pid = text
            .trim()
            .parse()
            .with_context(|| format!("reading {}", path.display()))?;
        // The number may be somebody else's by now.
        let net = procs::net_inode(pid);
        ensure!(
            net.is_some() && net == self.netns.inode().ok(),
            "{} is down",
            self.name
        );
        Ok(pid)
    }

    /// A command that will run in the node as on a machine of its own.
    pub fn command(&self, program: &str) -> Result<Command> {
        let target = self.holder()?.to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", target.as_str(), "-m", "-n", "-u", "--", program]);
        // Somebody's own Docker settings do not count here.
        for variable in [
            "DOCKER_HOST",
            "DOCKER_CONTEXT",
            "DOCKER_CONFIG",
            "DOCKER_CLI_HINTS",
        ] {
            command.env_remove(variable);
        }
        Ok(command)
    }

    /// Runs `program args…` in the node; what it wrote, if it exits with 0.
    pub fn exec(&self, program: &str, args: &[&str]) -> Result<String> {
        shell::stdout(self.command(program)?.args(args)).with_context(|| self.name.clone())
    }

    /// Runs `docker args…` in the node; what it wrote, if it exits with 0.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        self.exec(&docker_cli(), args)
    }

    /// Runs `docker args…` in the node, whatever comes of it.
    pub fn try_docker(&self, args: &[&str]) -> Result<Output> {
        shell::output(self.command(&docker_cli())?.args(args))
    }

    /// A client on this node: what its processes and users do.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.netns.clone())
    }

    /// Runs a future on a runtime whose sockets are the node's.
    pub fn block_on<T: Send>(&self, future: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.netns.block_on(future)
    }

    /// A path inside the node, as the machine sees it.
    pub fn path(&self, inside: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(format!(
            "/proc/{}/root{inside}",
            self.holder()?
        )))
    }

    /// The last lines of one of the node's logs, for error messages.
    #[must_use]
    pub fn log(&self, file: &str) -> String {
        let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(15))
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Starts a process of the node that outlives this one, and returns its pid.
    pub(crate) fn spawn(&self, command: &mut Command, log: &str) -> Result<u32> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join(log))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let what = shell::describe(command);
        let child = command
            .spawn()
            .with_context(|| format!("starting `{what}`"))?;
        let pid = child.id();
        procs::reap_later(child);
        Ok(pid)
    }
}

/// The CLI that came with the engine, where there are several.
pub(crate) fn docker_cli() -> String {
    let packaged = "/usr/bin/docker";
    let exists = std::path::Path::new(packaged).exists();
    if exists {
        packaged.to_owned()
    } else {
        "docker".to_owned()
    }
}
