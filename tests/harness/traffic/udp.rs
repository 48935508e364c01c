//! UDP: one datagram there, one back.
//!
//! Datagrams may be lost: beside bulk data, queues of virtual devices run over. So a datagram without an answer is sent
//! again, as resolvers do, and losses are counted: where more than a few are lost, something else is wrong.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::slow;
use crate::who::Who;

/// How long an answer is waited for before the datagram is sent again.
const AGAIN: Duration = Duration::from_secs(1);

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
        let timeout = slow::longer(timeout);
        let (answer, _) = answered(&self.socket, None, payload, timeout)
            .await
            .with_context(|| format!("{peer}, by UDP, within {timeout:?}"))?;
        let len = answer.len();
        let answer = answer.as_slice();
        let who = serde_json::from_slice(answer)
            .with_context(|| format!("{peer}: no answer of whoami"))?;
        Ok((who, len))
    }
}

/// Asks `peer` by a socket that is not connected; who answers, and under which address.
pub async fn ask_unconnected(
    socket: &UdpSocket,
    peer: SocketAddr,
    timeout: Duration,
) -> Result<(Who, SocketAddr)> {
    let timeout = slow::longer(timeout);
    let (answer, from) = answered(socket, Some(peer), b"who", timeout)
        .await
        .with_context(|| format!("{peer}, by UDP, within {timeout:?}"))?;
    let who = serde_json::from_slice(&answer);
    Ok((
        who.with_context(|| format!("{peer}: no answer of whoami"))?,
        from,
    ))
}

/// Sends a datagram until one comes back; that one, and whose it is.
async fn answered(
    socket: &UdpSocket,
    peer: Option<SocketAddr>,
    payload: &[u8],
    timeout: Duration,
) -> Result<(Vec<u8>, SocketAddr)> {
    let mut answer = vec![0_u8; 65_536];
    // Answers that came late are to other datagrams.
    while socket.try_recv(&mut answer).is_ok() {}
    let end = Instant::now() + timeout;
    let mut again = false;
    loop {
        match peer {
            Some(peer) => socket.send_to(payload, peer).await,
            None => socket.send(payload).await,
        }
        .context("a datagram is not sent")?;
        losses::sent(again)?;
        let until = end.min(Instant::now() + slow::longer(AGAIN));
        match tokio::time::timeout_at(until, socket.recv_from(&mut answer)).await {
            Ok(received) => {
                let (length, from) = received.context("a datagram is answered by an error")?;
                answer.truncate(length);
                return Ok((answer, from));
            }
            Err(_) if Instant::now() >= end => bail!("no datagram came back"),
            Err(_) => again = true,
        }
    }
}

/// Datagrams of this process, and those that had to be sent again.
mod losses {
    use std::sync::atomic::{AtomicU64, Ordering};

    use anyhow::{Result, ensure};

    static SENT: AtomicU64 = AtomicU64::new(0);
    static AGAIN: AtomicU64 = AtomicU64::new(0);

    /// Counts one; an error if many were lost.
    #[expect(
        clippy::print_stdout,
        reason = "for whoever reads the output of a test"
    )]
    pub(super) fn sent(again: bool) -> Result<()> {
        let sent = SENT.fetch_add(1, Ordering::Relaxed);
        if again {
            let again = AGAIN.fetch_add(1, Ordering::Relaxed) + 1;
            println!("{again} of {sent} datagrams had to be sent again");
            ensure!(
                again <= 10 + sent / 20,
                "{again} of {sent} datagrams were lost"
            );
        }
        Ok(())
    }
}
