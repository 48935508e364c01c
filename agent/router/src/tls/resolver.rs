//! The certificate of a handshake.

use super::certificates::{Certificate, Certificates};
use super::tasks::ToTasks;
use crate::routing::Routing;
use lb_routes::rule::Host;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::{ClientConfig, ServerConfig};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// TLS with clients, as all workers share it.
#[derive(Clone)]
pub(crate) struct Tls {
    /// For handshakes.
    pub(crate) config: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
    tasks: Arc<RwLock<ToTasks>>,
}

/// Certificates and routes of the moment. A handshake takes much longer than the locks.
#[derive(Default)]
struct Resolver {
    certificates: RwLock<Arc<Certificates>>,
    routing: RwLock<Arc<Routing>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Tls {
    /// TLS without certificates, until there are some. TLS 1.2 and 1.3; sessions are resumed by tickets whose keys this
    /// process draws and changes itself.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let resolver = Arc::new(Resolver::default());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(Self {
            config: Arc::new(config),
            resolver,
            tasks: Arc::new(RwLock::new(ToTasks::new(&[])?)),
        })
    }

    /// Uses these certificates from now on.
    pub(crate) fn use_certificates(&self, certificates: Arc<Certificates>) {
        match ToTasks::new(&certificates.authorities) {
            Ok(tasks) => *self.tasks.write().unwrap_or_else(PoisonError::into_inner) = tasks,
            Err(error) => tracing::error!(%error, "TLS with tasks stays as it is"),
        }
        let place = self.resolver.certificates.write();
        *place.unwrap_or_else(PoisonError::into_inner) = certificates;
    }

    /// The certificates that are used now.
    pub(crate) fn certificates(&self) -> Arc<Certificates> {
        let certificates = self.resolver.certificates.read();
        certificates.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses the secrets that these routes name from now on.
    pub(crate) fn use_routing(&self, routing: Arc<Routing>) {
        let place = self.resolver.routing.write();
        *place.unwrap_or_else(PoisonError::into_inner) = routing;
    }

    /// For a connection to a task: whether its certificate is verified, and whether HTTP/2 may be spoken.
    pub(crate) fn to_task(&self, verify: bool, http2: bool) -> Arc<ClientConfig> {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        tasks.config(verify, http2)
    }

    /// The certificate for a host.
    pub(crate) fn certificate(&self, host: &Host) -> Option<Certificate> {
        self.resolver.certificate(host)
    }
}

impl Resolver {
    /// The one that the host's route names, else the one that is for the host.
    fn certificate(&self, host: &Host) -> Option<Certificate> {
        let certificates = self.certificates.read();
        let certificates = certificates.unwrap_or_else(PoisonError::into_inner).clone();
        let routing = self.routing.read();
        let routing = routing.unwrap_or_else(PoisonError::into_inner).clone();
        match routing.secrets(host) {
            Some(secrets) => certificates.of_files(&secrets.certificate, &secrets.key),
            None => certificates.for_name(host.as_str()),
        }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Certificate> {
        let name = hello.server_name()?;
        let certificate = self.certificate(&Host::of(name)?);
        if certificate.is_none() {
            tracing::debug!(name, "a client asks for a name without a certificate");
        }
        certificate
    }
}
