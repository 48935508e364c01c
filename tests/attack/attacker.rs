//! Those who attack, and the places from which their packets come.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::containers::{container, home};
use harness::node::Node;
use harness::service::Task;
use harness::swarm::Swarm;
use harness::{shell, slow};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, setsockopt,
    socket, sockopt,
};

use crate::packet::hex;

/// The test service's program, which sends what it is told to (`whoami send`).
const WHOAMI: &str = env!("CARGO_BIN_EXE_whoami");
/// nobody and nogroup, everywhere.
pub(crate) const NOBODY: &str = "65534";
/// A flood of an emulated machine is over by then. Six times as long as IPVS's rules keep what opens a
/// connection: a longer one would fill no more of them.
const LONGEST: Duration = Duration::from_secs(60);

/// Has a task's own program send datagrams from its container; what it says of them.
pub(crate) fn from_container(
    swarm: &Swarm,
    task: &Task,
    to: SocketAddrV4,
    payloads: &[Vec<u8>],
) -> String {
    let arguments = send(to, payloads);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    in_container(swarm, task, &arguments)
}

/// Runs the test service's program once more in a task's container.
pub(crate) fn in_container(swarm: &Swarm, task: &Task, arguments: &[&str]) -> String {
    let exec = ["exec", container(task).unwrap(), "/whoami"];
    let said = home(swarm, task)
        .unwrap()
        .docker(&[&exec, arguments].concat())
        .unwrap();
    println!("container of {}: {said}", task.node);
    said
}

/// Words for `whoami` that send these datagrams.
fn send(to: SocketAddrV4, payloads: &[Vec<u8>]) -> Vec<String> {
    let payloads = payloads.iter().map(|payload| hex(payload));
    ["send".to_owned(), to.to_string()]
        .into_iter()
        .chain(payloads)
        .collect()
}

/// A user of a node without any privilege, with the test service's program in a place where he may run it.
pub(crate) struct Nobody<'a> {
    node: &'a Node,
    user: &'static str,
    program: PathBuf,
    inside: String,
}

impl<'a> Nobody<'a> {
    /// The user nobody.
    pub(crate) fn on(node: &'a Node) -> Self {
        Self::numbered(node, NOBODY)
    }

    /// The user, and the group, with this number.
    pub(crate) fn numbered(node: &'a Node, user: &'static str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let inside = format!("/run/whoami-{}-{number}", std::process::id());
        let program = node.path(&inside).unwrap();
        // As readable and executable as it is where it comes from.
        std::fs::copy(WHOAMI, &program).unwrap();
        Self {
            node,
            user,
            program,
            inside,
        }
    }

    /// A command without any privilege.
    fn command(&self, program: &str) -> Command {
        let mut command = self.node.command("setpriv").unwrap();
        let user = self.user;
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        command.args(["--inh-caps=-all", "--no-new-privs", "--", program]);
        command
    }

    /// Runs a program of the node, whatever comes of it.
    pub(crate) fn tries(&self, program: &str, arguments: &[&str]) -> Output {
        shell::output(self.command(program).args(arguments)).unwrap()
    }

    /// Runs the test service's program.
    pub(crate) fn whoami(&self, arguments: &[&str]) -> Output {
        self.tries(&self.inside, arguments)
    }

    /// Sends datagrams; what is said of them.
    pub(crate) fn sends(&self, to: SocketAddrV4, payloads: &[Vec<u8>]) -> String {
        let arguments = send(to, payloads);
        let said = self.whoami(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(said.status.success(), "{said:?}");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        println!("nobody on {}: {said}", self.node.name);
        said
    }
}

impl Drop for Nobody<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.program);
    }
}

/// Somebody on the nodes' network whose packets say that they are from whomever he likes.
pub(crate) struct Stranger {
    socket: OwnedFd,
}

impl Stranger {
    /// In the namespace of the client.
    pub(crate) fn of(swarm: &Swarm) -> Self {
        let open = || -> Result<OwnedFd> {
            let socket = socket(
                AddressFamily::Inet,
                SockType::Raw,
                SockFlag::empty(),
                SockProtocol::Raw,
            )?;
            // The cable's ring, not this socket, is what is full first.
            setsockopt(&socket, sockopt::SndBuf, &(4 << 20))?;
            Ok(socket)
        };
        let socket = swarm.client.netns().run(open).unwrap().unwrap();
        Self { socket }
    }

    /// Sends a whole IPv4 packet, headers included.
    pub(crate) fn sends(&self, packet: &[u8]) {
        self.tries(packet).unwrap();
    }

    fn tries(&self, packet: &[u8]) -> Result<()> {
        let destination = packet
            .get(16..20)
            .and_then(|four| <[u8; 4]>::try_from(four).ok());
        ensure!(destination.is_some(), "no IPv4 packet");
        let address = Ipv4Addr::from(destination.unwrap_or_default());
        let to = SockaddrIn::from(SocketAddrV4::new(address, 0));
        sendto(self.socket.as_raw_fd(), packet, &to, MsgFlags::empty())?;
        Ok(())
    }

    /// Sends so many packets, no more than `rate` in a second; those that do not fit a queue are lost.
    /// An emulated machine sends what it can for a while: there, each takes far longer. How many it sent.
    pub(crate) fn floods(
        &self,
        count: u32,
        rate: u32,
        mut packet: impl FnMut(u32) -> Vec<u8>,
    ) -> u32 {
        let begin = Instant::now();
        let mut sent = 0;
        while sent < count && (slow::factor() == 1 || begin.elapsed() < LONGEST) {
            let _ = self.tries(&packet(sent));
            let due = begin + Duration::from_secs(1) * sent / rate;
            // Not for each: sleeping takes longer than sending.
            if sent % 64 == 0 {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            sent += 1;
        }
        println!("{sent} of {count} packets in {:?}", begin.elapsed());
        sent
    }
}
