//! Messages and sockets over the agent's unix socket.

use lb_router_wire::frame::{self, Decoder, FrameError};
use lb_router_wire::{ToAgent, ToRouter, fds};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

/// Why a session with the agent ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChannelError {
    /// The agent closed it: it ends, or another one takes its place.
    #[error("the agent closed the connection")]
    Closed,
    /// The kernel ended it.
    #[error("the connection to the agent: {0}")]
    Io(#[from] io::Error),
    /// The agent said what is no message.
    #[error("the agent speaks another protocol: {0}")]
    Frame(#[from] FrameError),
    /// Sockets were announced and did not come along.
    #[error("the agent announced {announced} sockets, and {came} came")]
    Sockets {
        /// As the message says.
        announced: usize,
        /// As there are.
        came: usize,
    },
}

/// A session with an agent.
pub(super) struct Channel {
    stream: UnixStream,
    decoder: Decoder<ToRouter>,
    /// Sockets whose message was not read yet.
    sockets: VecDeque<OwnedFd>,
    /// This end has said Hello.
    pub(super) greeted: bool,
}

impl Channel {
    pub(super) async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::connect(path).await?,
            decoder: Decoder::default(),
            sockets: VecDeque::new(),
            greeted: false,
        })
    }

    /// Sends a message, with these sockets.
    pub(super) async fn send(
        &mut self,
        message: ToAgent,
        sockets: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        let bytes = frame::encode(message);
        let stream = &self.stream;
        let send = || fds::send(stream.as_fd(), &bytes, sockets);
        let sent = stream.async_io(Interest::WRITABLE, send).await?;
        let rest = bytes.get(sent..).unwrap_or_default();
        Ok(self.stream.write_all(rest).await?)
    }

    /// The next message.
    pub(super) async fn receive(&mut self) -> Result<ToRouter, ChannelError> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(message);
            }
            let stream = &self.stream;
            let receive = || fds::receive(stream.as_fd(), &mut buffer);
            let (bytes, sockets) = stream.async_io(Interest::READABLE, receive).await?;
            if bytes == 0 {
                return Err(ChannelError::Closed);
            }
            self.decoder.push(buffer.get(..bytes).unwrap_or_default());
            self.sockets.extend(sockets);
        }
    }

    /// The sockets that came along with the last message.
    pub(super) fn take_sockets(&mut self, announced: usize) -> Result<Vec<OwnedFd>, ChannelError> {
        let came = self.sockets.len();
        if came < announced {
            return Err(ChannelError::Sockets { announced, came });
        }
        Ok(self.sockets.drain(..announced).collect())
    }
}
