//! New connections to tasks.

use super::delivery::{Counted, Sent};
use super::pool::{Exclusive, Pool, Sender};
use super::streams::Streams;
use super::{Destination, Transport};
use crate::limits::Limits;
use crate::tls::Tls;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;

/// RFC 9113, section 6.9.1.
const LARGEST_WINDOW: u32 = (1 << 31) - 1;

/// Why there is no connection to a task.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The kernel refused, or the task did.
    #[error("no connection to {address}: {source}")]
    Io {
        /// The task's address and port.
        address: SocketAddr,
        /// The kernel's word.
        source: io::Error,
    },
    /// The host of the request is no name that a certificate can be for.
    #[error("{0} speaks TLS, and the request's host is no name for it")]
    Name(SocketAddr),
    /// There is no TLS with it: it speaks something else, or its certificate is not accepted.
    #[error("no TLS with {address}: {source}")]
    Tls {
        /// The task's address and port.
        address: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// Nobody answered.
    #[error("no connection to {0} in time")]
    Timeout(SocketAddr),
    /// The connection stood, and was of no use.
    #[error("{address} does not speak the protocol: {source}")]
    Handshake {
        /// The task's address and port.
        address: SocketAddr,
        /// What went wrong.
        source: hyper::Error,
    },
}

impl ConnectError {
    /// Is the host of the request none that the task has a certificate for? The client has chosen it: it says nothing of the
    /// task, and tasks of one service have the same certificates.
    pub(crate) fn is_of_name(&self) -> bool {
        match self {
            Self::Name(_) => true,
            Self::Tls { source, .. } => {
                let source = source.get_ref();
                let source = source.and_then(|it| it.downcast_ref::<rustls::Error>());
                matches!(
                    source,
                    Some(
                        rustls::Error::InvalidCertificate(
                            CertificateError::NotValidForName
                                | CertificateError::NotValidForNameContext { .. }
                        ) | rustls::Error::AlertReceived(AlertDescription::UnrecognisedName)
                    )
                )
            }
            Self::Io { .. } | Self::Timeout(_) | Self::Handshake { .. } => false,
        }
    }
}

/// Spawns the streams of HTTP/2 on this thread.
#[derive(Clone, Copy)]
struct Local;

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Connects to a task.
///
/// # Errors
/// [`ConnectError`].
pub(super) async fn connect(
    to: &Destination,
    limits: &Limits,
    tls: &Tls,
    pool: &Pool,
) -> Result<Sender, ConnectError> {
    let address = to.address;
    let (stream, sent) = Counted::new(tcp(address, limits).await?);
    Ok(match &to.transport {
        Transport::Http1 => http1(stream, sent, address, limits).await?,
        Transport::Http2 => shared(to, stream, limits, pool).await?,
        Transport::Tls {
            name,
            verify,
            http2: may,
        } => {
            let name = ServerName::try_from(name.to_string());
            let name = name.map_err(|_| ConnectError::Name(address))?;
            let connector = TlsConnector::from(tls.to_task(*verify, *may));
            let handshake = tokio::time::timeout(limits.connect, connector.connect(name, stream));
            let stream = handshake
                .await
                .map_err(|_| ConnectError::Timeout(address))?
                .map_err(|source| ConnectError::Tls { address, source })?;
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                shared(to, stream, limits, pool).await?
            } else {
                http1(stream, sent, address, limits).await?
            }
        }
    })
}

/// A connection of TCP.
///
/// # Errors
/// [`ConnectError::Io`], [`ConnectError::Timeout`].
pub(super) async fn tcp(address: SocketAddr, limits: &Limits) -> Result<TcpStream, ConnectError> {
    let connecting = tokio::time::timeout(limits.connect, TcpStream::connect(address));
    let stream = connecting
        .await
        .map_err(|_| ConnectError::Timeout(address))?
        .map_err(|source| ConnectError::Io { address, source })?;
    // Requests are written whole; waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn http1<S>(
    stream: S,
    sent: Arc<Sent>,
    task: SocketAddr,
    limits: &Limits,
) -> Result<Sender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new()
        .max_buf_size(limits.upstream_buffer)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = handshake.map_err(|source| ConnectError::Handshake {
        address: task,
        source,
    })?;
    spawn_local(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%task, %error, "connection to a task ended");
        }
    });
    Ok(Sender::Http1(Exclusive { sender, sent }))
}

/// A connection of HTTP/2, from now on shared.
async fn shared<S>(
    to: &Destination,
    stream: S,
    limits: &Limits,
    pool: &Pool,
) -> Result<Sender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let address = to.address;
    // A window of the connection would be one that clients share: who takes nothing of his answers would use it up for all.
    let handshake = http2::Builder::new(Local)
        .initial_stream_window_size(limits.upstream_window)
        .initial_connection_window_size(LARGEST_WINDOW)
        .max_send_buf_size(limits.stream_buffer)
        // Until the task has said how many streams it takes.
        .initial_max_send_streams(1)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) =
        handshake.map_err(|source| ConnectError::Handshake { address, source })?;
    let connection = Rc::new(RefCell::new(connection));
    let most = limits.upstream_streams;
    let settings = Rc::downgrade(&connection);
    // The task's settings come when they come, and may change.
    let streams = Streams::new(move || {
        let connection = settings.upgrade();
        let connection = connection.as_ref().and_then(|it| it.try_borrow().ok());
        connection.map_or(most, |it| most.min(it.current_max_send_streams()))
    });
    spawn_local(async move {
        let served = poll_fn(|context| Pin::new(&mut *connection.borrow_mut()).poll(context));
        if let Err(error) = served.await {
            tracing::debug!(task = %address, %error, "connection to a task ended");
        }
    });
    pool.share(to.clone(), sender.clone(), streams.clone());
    Ok(Sender::Http2(sender, streams.begin()))
}
