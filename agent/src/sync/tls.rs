//! Mutual TLS between agents, with the Swarm's certificates.

use super::rpc::sync_client::SyncClient;
use crate::certs::{CertificateState, Identity, Subject, expires};
use hyper_util::rt::TokioIo;
use lb_core::model::ids::NodeId;
use lb_wire::VIEW_BYTES;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, Error as TlsError};
use std::io;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client};
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// Only managers' certificates bear this name.
const MANAGER: &str = "swarm-manager";
/// Time limit of a TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);

/// A connection to a manager's agent.
pub(super) type Client = SyncClient<Channel>;

/// Errors of connecting to a manager's agent. Each message is one sentence.
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
    #[error(
        "the host at {peer} is node {node} by its certificate, not the manager {id} that was looked for there"
    )]
    OtherNode {
        peer: String,
        node: NodeId,
        id: NodeId,
    },
    #[error("the agent at {peer} cannot be talked to: {reason}")]
    Tls { peer: String, reason: String },
}

/// The expected peer: a manager of this Swarm, with this id.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedPeer<'a> {
    /// Id of the Swarm.
    pub(super) cluster: &'a str,
    /// Id of the node.
    pub(super) node: &'a NodeId,
}

/// Connects to the agent of the manager `id` at `host`, by the certificate that `certificate` has at this
/// moment. Also tells when the manager's certificate ends.
pub(super) async fn dial(
    certificate: &watch::Receiver<CertificateState>,
    id: &NodeId,
    host: &str,
    port: u16,
) -> Result<(Client, SystemTime), DialError> {
    let identity = certificate.borrow().identity.clone();
    let identity = identity.ok_or(DialError::NoIdentity)?;
    let expected = ExpectedPeer {
        cluster: &identity.subject().cluster,
        node: id,
    };
    connect(&identity, expected, host, port).await
}

/// Connects to `expected` by `identity`. A certificate of any other manager is refused: a manager that was demoted or
/// removed keeps its certificate until it expires, and the address may belong to another node by now.
pub(super) async fn connect(
    identity: &Identity,
    expected: ExpectedPeer<'_>,
    host: &str,
    port: u16,
) -> Result<(Client, SystemTime), DialError> {
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
        Ok(Err(error)) => return Err(dial_error(peer, error)),
        Err(_) => {
            let source = io::ErrorKind::TimedOut.into();
            return Err(DialError::Connect { peer, source });
        }
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let expires = verify(chain, &peer, expected)?;
    let broken = |error: tonic::transport::Error| DialError::Tls {
        peer: peer.clone(),
        reason: error.to_string(),
    };
    // `http`, because the connection has TLS already.
    let endpoint = Endpoint::from_static("http://swarm-manager")
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20);
    let connect = endpoint.connect_with_connector(OneConnection(Some(stream)));
    let channel = match timeout(HANDSHAKE_WITHIN, connect).await {
        Ok(channel) => channel.map_err(broken)?,
        Err(_) => {
            let reason = "it did not answer after the handshake".to_owned();
            return Err(DialError::Tls { peer, reason });
        }
    };
    let client = SyncClient::new(channel)
        .max_decoding_message_size(VIEW_BYTES)
        .max_encoding_message_size(VIEW_BYTES);
    Ok((client, expires))
}

/// Checks that the peer's certificate is that of `expected`; returns the end of its validity.
fn verify(
    chain: &[CertificateDer<'_>],
    peer: &str,
    expected: ExpectedPeer<'_>,
) -> Result<SystemTime, DialError> {
    let peer = || peer.to_owned();
    let subject = Subject::of(chain);
    let (Some(subject), Some(expires)) = (subject, expires(chain)) else {
        return Err(DialError::NoManager { peer: peer() });
    };
    if subject.cluster != expected.cluster {
        return Err(DialError::OtherSwarm { peer: peer() });
    }
    if subject.node != *expected.node {
        return Err(DialError::OtherNode {
            peer: peer(),
            node: subject.node,
            id: expected.node.clone(),
        });
    }
    if !subject.manager {
        return Err(DialError::NoManager { peer: peer() });
    }
    Ok(expires)
}

fn dial_error(peer: String, error: io::Error) -> DialError {
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

/// Connector that returns one established connection, once: a broken session is dialled again by its owner, with
/// the certificate of that moment, never by the channel.
struct OneConnection(Option<client::TlsStream<TcpStream>>);

impl tonic::codegen::Service<Uri> for OneConnection {
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
