//! The connection to one router: whole messages with the sockets that come along. What the router sends is bounded in
//! size, number and rate, and what it does not read in time ends the connection.

use lb_core::rate::Bucket;
use lb_router_wire::frame::{Decoder, FrameError, encode};
use lb_router_wire::{ToAgent, ToRouter, fds};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout};

/// Time limit for a router to read a message.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// What is read at once, in bytes.
const CHUNK: usize = 4 << 10;
/// Limit on sockets that a router passes: those of two entry points.
const SOCKETS: usize = 2 * super::listeners::SOCKETS;
/// Messages and pieces that are read: a router answers each change, of which there are 20 a second.
const MESSAGES: Bucket = Bucket::new(200, Duration::from_millis(10));

/// Reasons for which a session with a router ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionEnd {
    /// The router closed its end.
    #[error("the router closed the connection")]
    Closed,
    /// The system refused.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The bytes are no messages of this protocol.
    #[error("the router sent what is no message")]
    Frame(#[from] FrameError),
    /// It did not say who it is.
    #[error("the router did not say who it is in time")]
    Silent,
    /// It does not read.
    #[error("the router did not read a message of {bytes} bytes in time")]
    Slow {
        /// Bytes of the message.
        bytes: usize,
    },
    /// It passed more sockets than it may have.
    #[error("the router passed more than {most} sockets")]
    Sockets {
        /// Limit.
        most: usize,
    },
    /// It sent a message out of turn.
    #[error("the router sent a message out of turn")]
    Order,
}

/// A connection, and what was read from it.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    decoder: Decoder<ToAgent>,
    sockets: VecDeque<OwnedFd>,
    began: Instant,
    budget: Bucket,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: Decoder::default(),
            sockets: VecDeque::new(),
            began: Instant::now(),
            budget: MESSAGES,
        }
    }

    /// The next message. Cancel-safe.
    pub(super) async fn receive(&mut self) -> Result<ToAgent, SessionEnd> {
        loop {
            sleep_until(self.began + self.budget.ready()).await;
            if let Some(message) = self.decoder.next_message()? {
                self.budget.spend(1, self.began.elapsed());
                return Ok(message);
            }
            let mut chunk = [0; CHUNK];
            let stream = &self.stream;
            let read = stream.async_io(Interest::READABLE, || {
                fds::receive(stream.as_fd(), &mut chunk)
            });
            let (bytes, sockets) = read.await?;
            self.budget.spend(1, self.began.elapsed());
            if bytes == 0 {
                return Err(SessionEnd::Closed);
            }
            if self.sockets.len() + sockets.len() > SOCKETS {
                return Err(SessionEnd::Sockets { most: SOCKETS });
            }
            self.sockets.extend(sockets);
            self.decoder.push(chunk.get(..bytes).unwrap_or_default());
        }
    }

    /// Takes the sockets that came so far.
    pub(super) fn take_sockets(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.sockets).into()
    }

    /// Sends a message with these sockets. Not cancel-safe: what was begun must be ended.
    pub(super) async fn send(
        &mut self,
        message: ToRouter,
        sockets: &[Arc<OwnedFd>],
    ) -> Result<(), SessionEnd> {
        let bytes = encode(message);
        let whole = self.write(&bytes, sockets);
        match timeout(READ_WITHIN, whole).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(SessionEnd::Slow { bytes: bytes.len() }),
        }
    }

    async fn write(&self, bytes: &[u8], sockets: &[Arc<OwnedFd>]) -> io::Result<()> {
        let sockets: Vec<BorrowedFd<'_>> = sockets.iter().map(|socket| socket.as_fd()).collect();
        // They go with the first byte.
        let mut sockets = sockets.as_slice();
        let mut left = bytes;
        while !left.is_empty() {
            let send = || fds::send(self.stream.as_fd(), left, sockets);
            let sent = self.stream.async_io(Interest::WRITABLE, send).await?;
            sockets = &[];
            left = left.get(sent..).unwrap_or_default();
        }
        Ok(())
    }
}
