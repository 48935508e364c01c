//! What hyper leaves open when it ends a connection of HTTP/2: requests that are on their way to it, and answers that are
//! on their way to the client.
//!
//! hyper says GOAWAY without a last stream, and asks for an acknowledgement (PING). When that has come it says GOAWAY with
//! the last stream that has come before it, and ignores later ones: who acknowledges knows of the first GOAWAY, and begins no
//! more streams. But clients write the acknowledgement before the frames of streams that they had begun meanwhile: gRPC's C
//! core (C++, Python, PHP, Ruby) and h2 do. Such a request is lost, or has to be sent again. Worse, gRPC's C core sends
//! WINDOW_UPDATE with it, which h2 0.4.20 takes for one of a stream that was never begun: it ends the connection at once,
//! and all that is under way on it. So the acknowledgement waits, and what comes behind it is served.
//!
//! Then hyper closes. What comes of the client after that makes the kernel forget the answers that the client has not taken
//! (RST): so they are waited for.

use super::ping_acks::PingAcks;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A client that has sent nothing for so long since the router closed has taken its answers, or does not want them.
const LINGER: Duration = Duration::from_secs(5);

/// A client's connection that ends so that no request and no answer is lost.
#[derive(Debug)]
pub(super) struct Graceful<S> {
    stream: S,
    acks: PingAcks,
    /// Time from when an acknowledgement comes until hyper gets it.
    delay: Duration,
    /// Bytes that are read before the stream's.
    ahead: Vec<u8>,
    /// Runs while an acknowledgement waits, and while the client takes the last answers.
    timer: Option<Pin<Box<Sleep>>>,
    /// hyper has had an acknowledgement: it ends the connection.
    ending: bool,
    /// Nothing is sent any more.
    shut: bool,
}

impl<S> Graceful<S> {
    /// `delay`: for so long, streams that a client had begun are still waited for.
    pub(super) fn new(stream: S, delay: Duration) -> Self {
        Self {
            stream,
            acks: PingAcks::new(),
            delay,
            ahead: Vec::new(),
            timer: None,
            ending: false,
            shut: false,
        }
    }

    /// Has this time passed since the timer was started? Starts it if it does not run.
    fn has_passed(&mut self, time: Duration, context: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(time)));
        timer.as_mut().poll(context).is_ready()
    }
}

impl<S: AsyncRead + Unpin> Graceful<S> {
    /// Reads of the stream. True: into the buffer, or the stream has ended.
    fn read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        if self.acks.has_begun() {
            let mut more = [0; 64];
            let mut more = ReadBuf::new(&mut more);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut more))?;
            if more.filled().is_empty() {
                return Poll::Ready(Ok(true));
            }
            let mut bytes = self.acks.take_begun();
            bytes.extend_from_slice(more.filled());
            let passed = self.acks.sift(&mut bytes);
            bytes.truncate(passed);
            self.ahead = bytes;
            return Poll::Ready(Ok(false));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let came = buffer.filled_mut().get_mut(before..).unwrap_or_default();
        if came.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let passed = self.acks.sift(came);
        buffer.set_filled(before + passed);
        Poll::Ready(Ok(passed > 0))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Graceful<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while buffer.remaining() > 0 {
            if !this.ahead.is_empty() {
                let bytes = this.ahead.len().min(buffer.remaining());
                buffer.put_slice(this.ahead.get(..bytes).unwrap_or_default());
                this.ahead.drain(..bytes);
                break;
            }
            if this.acks.may_give_back() && this.has_passed(this.delay, context) {
                this.timer = None;
                this.ending = true;
                this.ahead
                    .extend(this.acks.give_back().into_iter().flatten());
            } else if ready!(this.read(context, buffer))? {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Graceful<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.shut = true;
        }
        while this.ending {
            let mut dropped = [0; 256];
            let mut dropped = ReadBuf::new(&mut dropped);
            match Pin::new(&mut this.stream).poll_read(context, &mut dropped) {
                Poll::Ready(Ok(())) if !dropped.filled().is_empty() => this.timer = None,
                Poll::Ready(_) => break,
                Poll::Pending if this.has_passed(LINGER, context) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}
