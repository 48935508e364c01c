//! TLS with tasks.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// How TLS is spoken with tasks.
#[derive(Clone, Debug)]
pub(crate) struct ToTasks {
    verified: Protocols,
    unverified: Protocols,
}

/// By what may be spoken in it.
#[derive(Clone, Debug)]
struct Protocols {
    /// HTTP/2, or HTTP/1.1 where the task does not speak it.
    any: Arc<ClientConfig>,
    /// HTTP/1.1.
    http1: Arc<ClientConfig>,
}

impl ToTasks {
    /// Certificates of tasks that are verified have to be signed by one of these authorities.
    ///
    /// # Errors
    /// None of the versions of TLS is there.
    pub(super) fn new(authorities: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        // What is no certificate of an authority was left out before.
        roots.add_parsable_certificates(authorities.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
        };
        let verified = builder()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let unverified = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider.clone())))
            .with_no_client_auth();
        Ok(Self {
            verified: Protocols::of(&verified),
            unverified: Protocols::of(&unverified),
        })
    }

    /// For one connection.
    pub(crate) fn config(&self, verify: bool, http2: bool) -> Arc<ClientConfig> {
        let protocols = if verify {
            &self.verified
        } else {
            &self.unverified
        };
        let config = if http2 {
            &protocols.any
        } else {
            &protocols.http1
        };
        config.clone()
    }
}

impl Protocols {
    fn of(config: &ClientConfig) -> Self {
        let with = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Self {
            any: with(&[b"h2", b"http/1.1"]),
            http1: with(&[b"http/1.1"]),
        }
    }
}

/// Takes any certificate, as the service's labels ask for: the network is trusted, and TLS is what the task speaks.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
