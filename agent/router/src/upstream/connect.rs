//! New connections to tasks.

use super::lease::{Lease, Sender};
use super::pool::{Pool, Streams};
use super::{Destination, Protocol};
use crate::limits::Limits;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

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
    to: Destination,
    limits: &Limits,
    pool: Rc<Pool>,
) -> Result<Lease, ConnectError> {
    let address = to.address;
    let connecting = tokio::time::timeout(limits.connect, TcpStream::connect(address));
    let stream = connecting
        .await
        .map_err(|_| ConnectError::Timeout(address))?
        .map_err(|source| ConnectError::Io { address, source })?;
    // Requests are written whole; waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(stream);
    let failed = |source| ConnectError::Handshake { address, source };
    let sender = match to.protocol {
        Protocol::Http1 => {
            let (sender, connection) = http1::Builder::new()
                .max_buf_size(limits.upstream_buffer)
                .max_headers(limits.head_fields * 2)
                .handshake(stream)
                .await
                .map_err(failed)?;
            spawn_local(async move {
                if let Err(error) = connection.with_upgrades().await {
                    tracing::debug!(task = %address, %error, "connection to a task ended");
                }
            });
            Sender::Http1(sender)
        }
        Protocol::Http2 => {
            // A window of the connection would be one that clients share: who takes nothing of his answers would use it
            // up for all.
            let (sender, connection) = http2::Builder::new(Local)
                .initial_stream_window_size(limits.upstream_window)
                .initial_connection_window_size(LARGEST_WINDOW)
                .max_send_buf_size(limits.stream_buffer)
                .handshake(stream)
                .await
                .map_err(failed)?;
            spawn_local(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(task = %address, %error, "connection to a task ended");
                }
            });
            let streams = Streams::default();
            pool.share(to, sender.clone(), streams.clone());
            Sender::Http2(sender, streams.begin())
        }
    };
    Ok(Lease::new(to, sender, false, pool))
}
