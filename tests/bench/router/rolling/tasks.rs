//! Tasks that are replaced: `whoami` on addresses of their own.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::Result;
use harness::netns::Netns;
use harness::wait;
use nix::sys::signal::Signal;

use super::super::process::{Process, START};
use super::super::site::TASK;

/// A task as a proxy is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The key by which the router knows it.
    pub(super) key: u64,
    /// Its address; its port is [`TASK`].
    pub(super) address: Ipv4Addr,
    /// It is being stopped.
    pub(super) leaving: bool,
}

/// A task that runs. As most programs, it accepts no more connections from its signal on; it ends what is under way and then itself.
pub(super) struct Task {
    process: Process,
    name: String,
    target: Target,
}

impl Task {
    /// Starts task `number` of the version `old` or `new`.
    pub(super) fn start(netns: &Netns, version: &str, number: u8) -> Result<Self> {
        // No address is used by two tasks: the next task of a service has another one in Docker's networks, too.
        let network = if version == "old" { 1 } else { 2 };
        let address = Ipv4Addr::new(127, 0, network, number + 1);
        let name = format!("{version}-{number}");
        let mut command = netns.command(env!("CARGO_BIN_EXE_whoami"));
        command.args(["--port", &TASK.to_string()]);
        command.args(["--address", &address.to_string()]);
        let process = Process::start(command.env("TASK", &name))?;
        Ok(Self {
            process,
            name,
            target: Target {
                key: u64::from(address.to_bits()),
                address,
                leaving: false,
            },
        })
    }

    /// Waits until it accepts connections.
    pub(super) fn wait(&self, netns: &Netns) -> Result<()> {
        wait::until(&format!("task {}", self.name), START, || {
            let connect = || TcpStream::connect((self.target.address, TASK));
            Ok(netns.run(connect)?.ok().map(drop))
        })
    }

    /// Its name, by which it answers.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// As a proxy is told of it while it stays.
    pub(super) fn target(&self) -> Target {
        self.target
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Waits until it has ended; after `grace` it is killed.
    pub(super) fn wait_for_end(self, grace: Duration) -> Result<()> {
        self.process.wait_for_end(grace)
    }
}
