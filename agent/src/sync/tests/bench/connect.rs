//! Clients of a manager's acceptor.

use super::{Agent, Bench};
use crate::certs;
use crate::sync::PEER_TIMEOUT;
use crate::sync::tls::{self, Client, DialError, ExpectedPeer};
use lb_core::model::ids::NodeId;
use lb_wire::proto::{ClusterStatsRequest, Hello, Up, up};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::Status;

/// Result of a client's attempt at a manager's acceptor.
#[derive(Debug, Default)]
pub(in crate::sync::tests) struct Knock {
    pub(in crate::sync::tests) dial: Option<DialError>,
    pub(in crate::sync::tests) refusal: Option<String>,
    pub(in crate::sync::tests) admitted: bool,
}

impl Knock {
    pub(in crate::sync::tests) fn says(&self, words: &str) -> bool {
        self.refusal.as_ref().is_some_and(|r| r.contains(words))
    }
}

/// Result of a call, with the time limit of agents. A client whose connection is closed after the handshake, because
/// of its certificate, may get no answer at all: once in some thousand times, the HTTP/2 client does not notice that
/// its connection has ended.
async fn in_time<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded("no answer"));
    timeout(PEER_TIMEOUT, call).await.unwrap_or_else(late)
}

impl Bench {
    /// Connects to `manager` with the certificates in `home`, which may be of any Swarm.
    pub(in crate::sync::tests) async fn dial(
        &self,
        home: &TempDir,
        manager: &Agent,
    ) -> Result<Client, DialError> {
        let identity = certs::load(home.path()).unwrap();
        let id = NodeId::from(manager.id.as_str());
        let expected = ExpectedPeer {
            cluster: "cluster1",
            node: &id,
        };
        let host = manager.address.to_string();
        let dialled = tls::connect(&identity, expected, &host, self.port).await;
        dialled.map(|(client, _)| client)
    }

    /// Tries both calls at `manager` with the certificates in `home`.
    pub(in crate::sync::tests) async fn try_connect(
        &self,
        home: &TempDir,
        manager: &Agent,
    ) -> Knock {
        let mut client = match self.dial(home, manager).await {
            Ok(client) => client,
            Err(error) => {
                return Knock {
                    dial: Some(error),
                    ..Knock::default()
                };
            }
        };
        let asked = in_time(client.cluster_stats(ClusterStatsRequest {})).await;
        let hello = up::Kind::Hello(Hello::default());
        let said = tokio_stream::iter([Up { kind: Some(hello) }]).chain(tokio_stream::pending());
        match in_time(client.session(said)).await {
            Ok(_) => Knock {
                admitted: asked.is_ok(),
                ..Knock::default()
            },
            Err(status) => {
                assert!(asked.is_err(), "both calls are guarded");
                Knock {
                    refusal: Some(status.message().to_owned()),
                    ..Knock::default()
                }
            }
        }
    }

    /// Does `manager` hang up on a client without a certificate?
    pub(in crate::sync::tests) async fn knock_without_certificate(&self, manager: &Agent) -> bool {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        let mut roots = rustls::RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.root().as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect((manager.address, self.port))
            .await
            .unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = "swarm-manager".try_into().unwrap();
        let Ok(mut tls) = connector.connect(name, tcp).await else {
            return true;
        };
        let _ = tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        tls.read(&mut [0; 1]).await.is_err()
    }
}
