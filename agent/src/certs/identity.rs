//! A node's certificate: its subject, and TLS in both directions.

use lb_core::model::ids::NodeId;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// Name of HTTP/2 in ALPN.
const H2: &[u8] = b"h2";

/// Subject of a node certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The Swarm: O.
    pub cluster: String,
    /// The node: CN.
    pub node: NodeId,
    /// A manager: OU is `swarm-manager`.
    pub manager: bool,
}

impl Subject {
    /// Subject of the first certificate of `chain`, if it has the form of a Swarm's.
    #[must_use]
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
        let name: &X509Name<'_> = certificate.subject();
        let cluster = name.iter_organization().next()?.as_str().ok()?;
        let role = name.iter_organizational_unit().next()?.as_str().ok()?;
        let node = name.iter_common_name().next()?.as_str().ok()?;
        Some(Self {
            cluster: cluster.to_owned(),
            node: node.into(),
            manager: role == "swarm-manager",
        })
    }
}

/// End of the validity of the first certificate of `chain`.
#[must_use]
pub fn expires(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    let end = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(end))
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = if self.manager { "manager" } else { "worker" };
        write!(f, "{role} {} of Swarm {}", self.node, self.cluster)
    }
}

/// A certificate with its key and its root, ready for use.
#[derive(Clone)]
pub struct Identity {
    subject: Subject,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.subject).finish()
    }
}

impl Identity {
    /// Fails if key and chain are not a pair, or `roots` has no root certificate.
    pub(super) fn new(
        subject: Subject,
        chain: &[CertificateDer<'static>],
        key: &PrivateKeyDer<'static>,
        roots: &[CertificateDer<'static>],
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone())?;
        }
        let store = Arc::new(store);
        let clients = WebPkiClientVerifier::builder_with_provider(store.clone(), provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain.to_vec(), key.clone_key())?;
        server.alpn_protocols = vec![H2.to_vec()];
        // A peer that resumed a session would not have to show a certificate that is still valid.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_client_auth_cert(chain.to_vec(), key.clone_key())?;
        client.alpn_protocols = vec![H2.to_vec()];
        client.resumption = Resumption::disabled();
        Ok(Self {
            subject,
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }

    /// The node that it names.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Configuration of a server: clients must have a certificate of the same root.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// Configuration of a client: the server must have a certificate of the same root, for the requested name.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }
}
