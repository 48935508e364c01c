//! A connection of which the first bytes were read already.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes that are read ahead at a time.
const CHUNK: usize = 4096;

/// A stream that is read from its first byte on, though some were read ahead.
#[derive(Debug)]
pub(crate) struct Prefixed<S> {
    /// Bytes that were read ahead and are still to be given.
    ahead: Vec<u8>,
    stream: S,
    /// The last write has not got rid of all of its bytes.
    write_waits: Rc<Cell<bool>>,
}

impl<S> Prefixed<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            ahead: Vec::new(),
            stream,
            write_waits: Rc::default(),
        }
    }

    /// Says, now and later, whether the last write has not got rid of all of its bytes.
    pub(super) fn write_waits(&self) -> Rc<Cell<bool>> {
        self.write_waits.clone()
    }

    /// Gives these bytes back, which were read: they are read again, before all others.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        self.ahead.splice(..0, bytes.iter().copied());
    }

    fn wrote<T>(&self, written: Poll<T>) -> Poll<T> {
        self.write_waits.set(written.is_pending());
        written
    }

    /// The bytes that were read ahead.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Takes so many bytes off the beginning of what was read ahead.
    pub(super) fn drop_ahead(&mut self, bytes: usize) {
        self.ahead.drain(..bytes.min(self.ahead.len()));
    }
}

impl<S: AsyncRead + Unpin> Prefixed<S> {
    /// Reads more bytes ahead, up to `most` in all.
    ///
    /// # Errors
    /// Those of the stream; `UnexpectedEof` if it has ended, and `InvalidData` if there are as many as there may be.
    pub(super) async fn read_ahead(&mut self, most: usize) -> io::Result<()> {
        let room = most.saturating_sub(self.ahead.len()).min(CHUNK);
        if room == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        poll_fn(|context| {
            // On the stack: while nothing comes, no memory waits for it.
            let mut space = [const { MaybeUninit::uninit() }; CHUNK];
            let mut more = ReadBuf::uninit(space.get_mut(..room).unwrap_or_default());
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut more))?;
            self.ahead.extend_from_slice(more.filled());
            Poll::Ready(if more.filled().is_empty() {
                Err(io::ErrorKind::UnexpectedEof.into())
            } else {
                Ok(())
            })
        })
        .await
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let bytes = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(self.ahead.get(..bytes).unwrap_or_default());
        self.drop_ahead(bytes);
        if self.ahead.is_empty() {
            // Connections live long; what was read ahead does not come again.
            self.ahead = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.wrote(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::Prefixed;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn what_was_read_ahead_is_read_again_and_then_the_rest() {
        let mut stream = Prefixed::new(&b"PROXY header, hello"[..]);
        stream.read_ahead(7).await.unwrap();
        assert_eq!(stream.ahead(), b"PROXY h");
        assert!(stream.read_ahead(7).await.is_err(), "no more than that");
        stream.drop_ahead(6);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "header, hello");
        assert!(stream.read_ahead(9).await.is_err(), "it has ended");
        stream.unread(b"again");
        stream.unread(b"and ");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "and again");
    }
}
