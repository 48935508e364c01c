//! A connection of which the first bytes were read already.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// A stream that is read from its first byte on, though some were read ahead.
#[derive(Debug)]
pub(crate) struct Prefixed<S> {
    /// Bytes that were read ahead and are still to be given.
    ahead: Vec<u8>,
    stream: S,
}

impl<S> Prefixed<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            ahead: Vec::new(),
            stream,
        }
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
        let room = most.saturating_sub(self.ahead.len());
        if room == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut more = (&mut self.stream).take(room as u64);
        match more.read_buf(&mut self.ahead).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
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
    }
}
