//! Bytes between a client and a task, in both directions.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};

/// Copies until both ends have closed, one breaks off, or nothing has come of either for `idle` to twice as long.
pub(super) async fn copy(
    client: impl AsyncRead + AsyncWrite + Unpin,
    task: impl AsyncRead + AsyncWrite + Unpin,
    idle: Duration,
) {
    let moved = Rc::new(Cell::new(false));
    let mut client = Watched {
        stream: client,
        moved: moved.clone(),
    };
    let mut task = Watched {
        stream: task,
        moved: moved.clone(),
    };
    let mut copying = std::pin::pin!(copy_bidirectional(&mut client, &mut task));
    loop {
        match tokio::time::timeout(idle, copying.as_mut()).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a tunnel broke off");
                return;
            }
            Err(_) if moved.take() => {}
            Err(_) => return,
        }
    }
}

/// One end of a tunnel; notes that bytes came from it.
struct Watched<S> {
    stream: S,
    moved: Rc<Cell<bool>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.moved.set(true);
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
