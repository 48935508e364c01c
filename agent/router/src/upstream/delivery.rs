//! Whether a task can have read any byte of a request that it has not answered.
//!
//! Acknowledgements alone do not say so: a kernel sends them later than the bytes are there. The end of the stream (FIN)
//! does. A task sends it when it closes the connection, and it acknowledges every byte that the task's kernel had by then.
//! A request of which no byte is among them was not read, and who has closed reads no more. A reset (RST) says nothing:
//! Linux ignores its acknowledgement, and a task that had read a part of a request, or all of it, may end the connection so.

use nix::libc;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::GetStruct;
use rustix::net::{RecvFlags, recv};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What became of a request without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// No byte of it was handed to the kernel.
    Unsent,
    /// The task closed the connection before its kernel had any byte of it.
    Undelivered,
    /// The task has said by HTTP/2 that it did not process it (RFC 9113, section 8.7).
    Refused,
    /// The task may have read it.
    Unknown,
}

/// The bytes of a connection to a task, as the stream and who sends requests by it share their count. All of it is one
/// thread's; hyper asks for streams that could be moved to another one.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Bytes that this kernel has taken.
    taken: AtomicU64,
    /// How many of them the task's kernel had when the task closed the connection, if it did.
    had: OnceLock<u64>,
}

impl Sent {
    /// Bytes that this kernel has taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// What became of what follows the first `start` bytes, once the connection has ended.
    pub(super) fn delivery_after(&self, start: u64) -> Delivery {
        match self.had.get() {
            _ if self.taken() == start => Delivery::Unsent,
            Some(had) if *had <= start => Delivery::Undelivered,
            _ => Delivery::Unknown,
        }
    }
}

/// Reads of what a task has sent before it closed, to find the end of the stream behind it.
const LAST_READS: usize = 16;

/// A connection to a task whose bytes are counted.
#[derive(Debug)]
pub(super) struct Counted {
    stream: TcpStream,
    sent: Arc<Sent>,
    /// What the kernel counts as acknowledged before the first byte: the beginning of the connection (SYN).
    opened: Option<u64>,
    /// The kernel has told of an error. It does so once: then it says that the stream has ended, also where it has not.
    broken: bool,
}

impl Counted {
    /// Of a connection by which nothing was sent yet.
    pub(super) fn new(stream: TcpStream) -> (Self, Arc<Sent>) {
        let sent = Arc::<Sent>::default();
        let counted = Self {
            opened: acknowledged(&stream),
            stream,
            sent: sent.clone(),
            broken: false,
        };
        (counted, sent)
    }

    /// The task has closed the connection.
    fn ended(&self) {
        if self.broken {
            return;
        }
        if let (Some(opened), Some(now)) = (self.opened, acknowledged(&self.stream)) {
            let _ = self.sent.had.set(now.saturating_sub(opened));
        }
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.sent.taken.fetch_add(*bytes as u64, Ordering::Relaxed);
            }
            Poll::Ready(Err(error)) => {
                // What a reset is called by the kernel: EPIPE after the end of the stream, and ECONNRESET without one.
                if error.kind() == io::ErrorKind::BrokenPipe {
                    self.ended();
                }
                self.broken = true;
            }
            Poll::Pending => {}
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.remaining();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match &read {
            Poll::Ready(Ok(())) if before > 0 && buffer.remaining() == before => self.ended(),
            Poll::Ready(Err(_)) => self.broken = true,
            _ => {}
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// By TLS nobody reads the end of the stream: that of the session (`close_notify`) comes before it.
impl Drop for Counted {
    fn drop(&mut self) {
        if self.broken || self.sent.had.get().is_some() {
            return;
        }
        let mut rest = [0_u8; 1 << 10];
        for _ in 0..LAST_READS {
            match recv(&self.stream, &mut rest, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return self.ended(),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

/// `struct tcp_info` of linux/tcp.h up to `tcpi_bytes_acked`, which is the last word here. Kernels since 4.1 have these.
type Info = [u64; 16];

#[derive(Clone, Copy)]
struct TcpInfo;

nix::getsockopt_impl!(
    TcpInfo,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    Info,
    GetStruct<Info>
);

/// Bytes that the other end has acknowledged; also once the connection has ended.
fn acknowledged(stream: &TcpStream) -> Option<u64> {
    let [.., acknowledged] = getsockopt(stream, TcpInfo).ok()?;
    Some(acknowledged)
}

#[cfg(test)]
mod tests;
