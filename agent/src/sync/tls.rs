//! TLS between agents, by the Swarm's certificates: both sides prove who they are.

use super::context::Context;
use super::wire::proto::sync_client::SyncClient;
use crate::certs::Standing;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error as TlsError};
use std::io;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// Only managers' certificates bear this name.
const MANAGER: &str = "swarm-manager";
/// Longer than this, a peer is as good as not there.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);

/// A connection to a manager's agent.
pub(super) type Client = SyncClient<Channel>;

/// Why a manager's agent cannot be reached. One sentence each.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("this node's certificate is not there yet")]
    NoIdentity,
    #[error("no agent answers at {peer} ({source}): run it there, and open TCP port {} between the nodes", peer.rsplit(':').next().unwrap_or_default())]
    Connect { peer: String, source: io::Error },
    #[error("the host at {peer} is no manager of this Swarm by its certificate")]
    NoManager { peer: String },
    #[error("the host at {peer} belongs to another Swarm by its certificate")]
    OtherSwarm { peer: String },
    #[error("the agent at {peer} cannot be talked to: {reason}")]
    Tls { peer: String, reason: String },
}

/// Connects to the agent of the manager at `host`, as `standing` has it at this moment.
pub(super) async fn dial(
    standing: &watch::Receiver<Standing>,
    host: &str,
    port: u16,
) -> Result<Client, DialError> {
    let identity = standing.borrow().identity.clone();
    let identity = identity.ok_or(DialError::NoIdentity)?;
    let peer = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let shake = async {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(MANAGER).map_err(io::Error::other)?;
        TlsConnector::from(identity.client())
            .connect(name, tcp)
            .await
    };
    let stream = match timeout(HANDSHAKE_WITHIN, shake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(refused(peer, error)),
        Err(_) => {
            let source = io::ErrorKind::TimedOut.into();
            return Err(DialError::Connect { peer, source });
        }
    };
    let broken = |error: tonic::transport::Error| DialError::Tls {
        peer: peer.clone(),
        reason: error.to_string(),
    };
    // Plain by name, because TLS is there already.
    let channel = Endpoint::from_static("http://swarm-manager")
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .connect_with_connector(Once(Some(stream)))
        .await
        .map_err(broken)?;
    Ok(SyncClient::new(channel)
        .max_decoding_message_size(super::MAX_MESSAGE_BYTES)
        .max_encoding_message_size(super::MAX_MESSAGE_BYTES))
}

fn refused(peer: String, error: io::Error) -> DialError {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<TlsError>());
    match tls {
        None => DialError::Connect {
            peer,
            source: error,
        },
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => DialError::NoManager { peer },
        Some(TlsError::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => DialError::OtherSwarm { peer },
        Some(tls) => DialError::Tls {
            peer,
            reason: tls.to_string(),
        },
    }
}

/// Hands out the one connection that was made. A broken session is dialled anew by its
/// owner, with the certificate of that moment, never by the channel.
struct Once(Option<client::TlsStream<TcpStream>>);

impl tonic::codegen::Service<Uri> for Once {
    type Response = TokioIo<client::TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.take().map(TokioIo::new);
        std::future::ready(stream.ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// Accepts agents' connections until `out` is closed. Each handshake uses the certificate
/// of its moment.
pub(super) async fn accept(
    context: Context,
    listener: TcpListener,
    out: mpsc::Sender<io::Result<server::TlsStream<TcpStream>>>,
) {
    loop {
        let (tcp, from) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of files, mostly: that passes.
                    tracing::warn!(%error, "agent's connection not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = out.closed() => return,
        };
        let Some(identity) = context.standing.borrow().identity.clone() else {
            continue;
        };
        let out = out.clone();
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            let acceptor = TlsAcceptor::from(identity.server());
            match timeout(HANDSHAKE_WITHIN, acceptor.accept(tcp)).await {
                Ok(Ok(stream)) => {
                    let _ = out.send(Ok(stream)).await;
                }
                Ok(Err(error)) => tracing::debug!(%from, %error, "handshake failed"),
                Err(_) => tracing::debug!(%from, "handshake took too long"),
            }
        });
    }
}
