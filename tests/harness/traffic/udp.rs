//! UDP: one datagram there, one back.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::UdpSocket;

use crate::slow;
use crate::who::Who;

/// A socket with one peer: datagrams of one flow.
#[derive(Debug)]
pub struct Flow {
    socket: UdpSocket,
    peer: SocketAddr,
}

impl Flow {
    /// A new flow: a source port of its own.
    pub async fn open(peer: SocketAddr) -> Result<Self> {
        let any: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        // Connected, it takes answers only from where it asked, and sees refusals.
        socket
            .connect(peer)
            .await
            .with_context(|| format!("no route to {peer}"))?;
        Ok(Self { socket, peer })
    }

    /// The client's own end.
    pub fn local(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Sends a datagram; who answers it.
    pub async fn ask(&self, timeout: Duration) -> Result<Who> {
        self.say(b"who", timeout).await.map(|(who, _)| who)
    }

    /// Sends a datagram with this payload; who answers it, in how many bytes.
    pub async fn say(&self, payload: &[u8], timeout: Duration) -> Result<(Who, usize)> {
        let peer = self.peer;
        self.socket
            .send(payload)
            .await
            .with_context(|| format!("asking {peer} by UDP"))?;
        let mut answer = vec![0_u8; 65_536];
        let timeout = slow::longer(timeout);
        let len = tokio::time::timeout(timeout, self.socket.recv(&mut answer))
            .await
            .with_context(|| format!("{peer}: no datagram within {timeout:?}"))?
            .with_context(|| format!("{peer}: the answer to a datagram"))?;
        let answer = answer.get(..len).unwrap_or_default();
        let who = serde_json::from_slice(answer)
            .with_context(|| format!("{peer}: no answer of whoami"))?;
        Ok((who, len))
    }
}
