//! What is served: a router with certificates for `a.test` and `b.test`, and tasks that are scripts.

use crate::harness::{Router, Task, certificate};
use crate::programs::{Found, Running};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use lb_router_wire::Service;
use rcgen::{KeyPair, PublicKeyData as _};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Labels of a service of `a.test`, without and by TLS; its tasks speak HTTP/1.1.
pub(crate) const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];

/// A router with certificates for `a.test`, which its services are for, and `b.test`.
pub(crate) struct Site {
    pub(crate) router: Router,
    /// The hash of the first one's key, as Chromium is told which certificate to believe.
    pub(crate) key_hash: String,
}

impl Site {
    pub(crate) fn start(services: &[Service]) -> Self {
        Self::start_with(services, &[])
    }

    /// With these arguments of the router.
    pub(crate) fn start_with(services: &[Service], arguments: &[&str]) -> Self {
        let mut key_hash = String::new();
        let prepare = |directory: &Path| {
            certificate(directory, "a", &["a.test"]);
            certificate(directory, "b", &["b.test"]);
            let key = std::fs::read_to_string(directory.join("a.key")).unwrap();
            let key = KeyPair::from_pem(&key).unwrap().subject_public_key_info();
            key_hash = STANDARD.encode(Sha256::digest(key));
        };
        Self {
            router: Router::start_after(services, arguments, prepare),
            key_hash,
        }
    }

    /// The file with the certificate for `a.test`.
    pub(crate) fn certificate_file(&self) -> String {
        let file = self.router.certificates().join("a.crt");
        file.to_str().unwrap().to_owned()
    }

    /// The port without TLS, and a word that stands for no certificate; the one by TLS, and the file of the certificate.
    pub(crate) fn ways(&self) -> [(String, String); 2] {
        [
            (self.router.http.port().to_string(), "-".to_owned()),
            (
                self.router.https.port().to_string(),
                self.certificate_file(),
            ),
        ]
    }
}

/// A task that is a script, on an address of its own.
pub(crate) struct ScriptTask {
    pub(crate) task: Task,
    pub(crate) running: Running,
}

impl ScriptTask {
    /// Starts a script with address and port as arguments; returns once it says `ready`.
    pub(crate) fn start(program: Found, script: &str) -> Self {
        Self::start_with(program, script, &[])
    }

    /// With arguments behind these.
    pub(crate) fn start_with(program: Found, script: &str, arguments: &[&str]) -> Self {
        let task = Task::absent();
        let address = task.address.ip().to_string();
        let port = task.address.port().to_string();
        let own = [address.as_str(), port.as_str()];
        let mut running = program.start(script, &[&own, arguments].concat());
        running.says("ready");
        Self { task, running }
    }
}
