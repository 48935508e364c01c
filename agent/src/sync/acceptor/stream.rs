//! A TLS connection that the registry of connections can close.

use super::connections::Caller;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// An agent's connection.
pub(in crate::sync) struct ClosableStream {
    tls: TlsStream<TcpStream>,
    caller: Caller,
    /// Ready once the connection is to be closed; `None` from then on.
    ended: Option<oneshot::Receiver<()>>,
}

impl ClosableStream {
    pub(super) fn new(
        tls: TlsStream<TcpStream>,
        caller: Caller,
        ended: oneshot::Receiver<()>,
    ) -> Self {
        Self {
            tls,
            caller,
            ended: Some(ended),
        }
    }

    fn has_ended(&mut self, context: &mut Context<'_>) -> bool {
        let ended = self.ended.as_mut();
        let over = ended.is_none_or(|ended| Pin::new(ended).poll(context).is_ready());
        if over {
            self.ended = None;
        }
        over
    }
}

fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
}

impl AsyncRead for ClosableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_ended(context) {
            return over();
        }
        Pin::new(&mut self.tls).poll_read(context, buffer)
    }
}

impl AsyncWrite for ClosableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.ended.is_none() {
            return over();
        }
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }
}

impl Connected for ClosableStream {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}
