//! The client outside of the Swarm: its namespace, and what it does most.
//!
//! For more than these, drive futures of [`traffic`](crate::traffic) with
//! [`Client::block_on`]: keep-alive connections, many at once, load.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::netns::Netns;
use crate::traffic::http::{self, Connection, Reply};
use crate::traffic::load::{self, Load, Report};
use crate::traffic::pace::Pace;
use crate::traffic::udp;
use crate::who::{Received, Who};

/// More than any single request in the laboratory needs.
pub const PATIENCE: Duration = Duration::from_secs(5);
const BULK_PATIENCE: Duration = Duration::from_secs(120);

/// A client in a namespace.
#[derive(Clone, Debug)]
pub struct Client {
    netns: Netns,
}

impl Client {
    /// The client that lives in `netns`: outside of the Swarm, or on a node.
    #[must_use]
    pub fn new(netns: Netns) -> Self {
        Self { netns }
    }

    /// Its namespace.
    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Drives a future whose sockets are the client's.
    pub fn block_on<T: Send>(&self, future: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.netns.block_on(future)
    }

    /// `GET path` on a connection of its own.
    pub fn get(&self, peer: impl Into<SocketAddr>, path: &str, timeout: Duration) -> Result<Reply> {
        self.block_on(http::get(peer.into(), path, timeout))
    }

    /// Asks on a new connection which task answers.
    pub fn who(&self, peer: impl Into<SocketAddr>) -> Result<Who> {
        self.block_on(http::who(peer.into(), PATIENCE))
    }

    /// Asks on `count` new connections, one after the other, which task answers.
    pub fn sequential(&self, peer: impl Into<SocketAddr>, count: usize) -> Result<Vec<Who>> {
        let peer = peer.into();
        self.block_on(async move {
            let mut answers = Vec::with_capacity(count);
            for _ in 0..count {
                answers.push(http::who(peer, PATIENCE).await?);
            }
            Ok(answers)
        })
    }

    /// Asks by a datagram from a new port which task answers.
    pub fn udp(&self, peer: impl Into<SocketAddr>, timeout: Duration) -> Result<Who> {
        let peer = peer.into();
        self.block_on(async move { udp::Flow::open(peer).await?.ask(timeout).await })
    }

    /// Does something while the load runs; what came of both.
    pub fn during<T>(
        &self,
        load: &Load,
        action: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Report)> {
        let stop = Arc::new(AtomicBool::new(false));
        let before = self.syns_sent_again()?;
        thread::scope(|scope| {
            let running = scope.spawn(|| self.block_on(async { Ok(load::run(load, &stop).await) }));
            // Also when the action panics: the scope waits for the load.
            let stopper = StopOnDrop(stop.clone());
            let result = action();
            drop(stopper);
            let mut report = running.join().map_err(|_| anyhow!("the load panicked"))??;
            report.syns_sent_again = Some(self.syns_sent_again()? - before);
            Ok((result?, report))
        })
    }

    /// SYNs that the client's kernel has sent again so far (`TCPSynRetrans`, of net/ipv4/proc.c).
    pub fn syns_sent_again(&self) -> Result<u64> {
        let netstat = self
            .netns
            .run(|| fs::read_to_string("/proc/thread-self/net/netstat"))??;
        // A line of names, then one of values.
        let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
        let names = lines.next().unwrap_or_default().split_whitespace();
        let mut values = names.zip(lines.next().unwrap_or_default().split_whitespace());
        let (_, value) = values
            .find(|(name, _)| *name == "TCPSynRetrans")
            .context("the kernel does not count SYNs that are sent again")?;
        Ok(value.parse()?)
    }

    /// Downloads `len` bytes; compare with [`pattern::sha256`](crate::pattern::sha256).
    pub fn download(&self, peer: impl Into<SocketAddr>, len: u64) -> Result<Received> {
        let peer = peer.into();
        self.block_on(async move {
            let path = format!("/bytes/{len}");
            Connection::open(peer, BULK_PATIENCE)
                .await?
                .download(&path, None)
                .await
        })
    }

    /// Downloads `len` bytes while something is done, and for as long: at this rate, the last
    /// tenth only afterwards.
    pub fn download_during<T>(
        &self,
        peer: impl Into<SocketAddr>,
        (len, bytes_per_second): (u64, u64),
        action: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Received)> {
        let peer = peer.into();
        let pace = Pace {
            over: Arc::new(AtomicBool::new(false)),
            begin: Instant::now(),
            bytes: len,
            bytes_per_second,
        };
        thread::scope(|scope| {
            let stopper = StopOnDrop(pace.over.clone());
            let running = scope.spawn(|| {
                self.block_on(async {
                    let mut connection = Connection::open(peer, BULK_PATIENCE).await?;
                    connection
                        .download(&format!("/bytes/{len}"), Some(&pace))
                        .await
                })
            });
            let result = action();
            drop(stopper);
            let received = running
                .join()
                .map_err(|_| anyhow!("the download panicked"))??;
            Ok((result?, received))
        })
    }

    /// Uploads `len` bytes; what the task says it received.
    pub fn upload(&self, peer: impl Into<SocketAddr>, len: u64) -> Result<Received> {
        let peer = peer.into();
        self.block_on(async move {
            Connection::open(peer, BULK_PATIENCE)
                .await?
                .upload(len)
                .await
        })
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
