//! Bytes between a client and a task, in both directions.

use crate::body::Progress;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};

/// Why a tunnel ends before both ends have closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyError {
    /// One end broke off.
    Broken,
    /// Nothing came for too long.
    Idle,
}

impl CopyError {
    /// As the access log has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Broken => "tunnel-broken",
            Self::Idle => "tunnel-idle",
        }
    }
}

/// Copies until both ends have closed.
///
/// # Errors
/// One breaks off, or nothing has come of either for `idle` to twice as long.
pub(super) async fn copy(
    mut client: Watched<impl AsyncRead + AsyncWrite + Unpin>,
    mut task: Watched<impl AsyncRead + AsyncWrite + Unpin>,
    idle: Duration,
) -> Result<(), CopyError> {
    let (from_client, from_task) = (client.progress.clone(), task.progress.clone());
    let frames = || (from_client.frames(), from_task.frames());
    let mut seen = frames();
    let mut copying = std::pin::pin!(copy_bidirectional(&mut client, &mut task));
    loop {
        match tokio::time::timeout(idle, copying.as_mut()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a tunnel broke off");
                return Err(CopyError::Broken);
            }
            Err(_) if seen == frames() => return Err(CopyError::Idle),
            Err(_) => seen = frames(),
        }
    }
}

/// One end of a tunnel; counts the bytes that come from it.
pub(super) struct Watched<S> {
    stream: S,
    progress: Rc<Progress>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, progress: &Rc<Progress>) -> Self {
        Self {
            stream,
            progress: progress.clone(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.progress.came(buffer.filled().len() - before);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
