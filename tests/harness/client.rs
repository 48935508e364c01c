//! The client outside of the Swarm: its namespace, and what it does most.
//!
//! For more than these, drive futures of [`traffic`](crate::traffic) with
//! [`Client::block_on`]: keep-alive connections, many at once, load.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::netns::Netns;
use crate::traffic::http::{self, Connection, Reply};
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

    /// Who answers on a connection of its own.
    pub fn who(&self, peer: impl Into<SocketAddr>) -> Result<Who> {
        self.block_on(http::who(peer.into(), PATIENCE))
    }

    /// Who answers on `count` connections, one after the other.
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

    /// Who answers a datagram from a port of its own.
    pub fn udp(&self, peer: impl Into<SocketAddr>, timeout: Duration) -> Result<Who> {
        let peer = peer.into();
        self.block_on(async move { udp::Flow::open(peer).await?.ask(timeout).await })
    }

    /// Downloads `len` bytes; compare with [`pattern::sha256`](crate::pattern::sha256).
    pub fn download(&self, peer: impl Into<SocketAddr>, len: u64) -> Result<Received> {
        let peer = peer.into();
        self.block_on(async move {
            let path = format!("/bytes/{len}");
            Connection::open(peer, BULK_PATIENCE)
                .await?
                .download(&path)
                .await
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
