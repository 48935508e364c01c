//! This node's identity: the certificate that the Swarm itself gave it.
//!
//! The engine renews it every few weeks, at a change of role and when the root changes, and
//! writes the files one after the other: only a pair that matches is ever taken, and what was
//! read before stays in force until there is a better one. `docker swarm leave` removes their directory, and `join` makes
//! another one: whoever has it mounted sees the removed one, and nothing in it, for ever.
//!
//! Keys are never logged; no type that holds one shows it.

mod identity;
mod pem;

pub use identity::{Identity, Subject, expires};

use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Errors of reading the node certificate. Each message is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// A file cannot be read.
    #[error(
        "the Swarm's node certificate cannot be read at {}: {source}; mount /var/lib/docker/swarm/certificates into the agent's container, or name its place with --certificates",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The directory of the files was removed after it had been mounted.
    #[error(
        "the directory of the Swarm's node certificate that this agent sees at {} was removed, as by \
         `docker swarm leave`, and one that was made anew can only be seen by an agent that starts after that: start the agent \
         again (Docker and systemd do so when it ends)",
        .0.display()
    )]
    Removed(PathBuf),
    /// The key is encrypted.
    #[error(
        "the node key at {} is locked by the Swarm's autolock, so this agent cannot prove who it is to the others: turn autolock off with `docker swarm update --autolock=false`",
        .0.display()
    )]
    Locked(PathBuf),
    /// A file has no certificate or key in it.
    #[error("{} holds no {what} that can be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// `certificate`, `private key` and so on.
        what: &'static str,
    },
    /// Key and certificate are not of one pair, as in the middle of a renewal.
    #[error("the node certificate and key in {} do not fit together ({source}): if this lasts, run `docker swarm ca --rotate`", directory.display())]
    Mismatch {
        /// The directory of both.
        directory: PathBuf,
        /// Error of the TLS library.
        source: rustls::Error,
    },
}

/// State of this node's certificate.
#[derive(Clone, Debug, Default)]
pub struct CertificateState {
    /// The newest usable identity.
    pub identity: Option<Arc<Identity>>,
    /// Why there is no identity, or none newer.
    pub problem: Option<String>,
    /// The directory was removed: no identity will ever be read there again.
    pub removed: bool,
}

/// Reads the certificates in `directory` once, for tests.
///
/// # Errors
/// All of [`CertsError`].
#[cfg(any(test, feature = "test-helpers"))]
pub fn load(directory: &Path) -> Result<Identity, CertsError> {
    parse(directory, &read(directory)?)
}

/// Reads `directory` every `period`, and keeps `out` up to date until its receivers are gone.
pub async fn follow(directory: PathBuf, period: Duration, out: watch::Sender<CertificateState>) {
    let mut seen: Option<u64> = None;
    while !out.is_closed() {
        match present(&directory).and_then(read) {
            Err(error) => {
                seen = None;
                note(&out, Err(error));
            }
            Ok(files) if seen == Some(files.digest()) => {}
            Ok(files) => {
                let identity = parse(&directory, &files);
                // An unfit pair is looked at again: its other half may be on its way.
                seen = identity.is_ok().then(|| files.digest());
                note(&out, identity);
            }
        }
        tokio::time::sleep(period).await;
    }
}

fn note(out: &watch::Sender<CertificateState>, read: Result<Identity, CertsError>) {
    match read {
        Ok(identity) => {
            tracing::info!(subject = %identity.subject(), "node certificate read");
            out.send_replace(CertificateState {
                identity: Some(Arc::new(identity)),
                problem: None,
                removed: false,
            });
        }
        Err(error) => {
            let problem = Some(error.to_string());
            out.send_if_modified(|certificate| {
                let news = certificate.problem != problem;
                if news {
                    tracing::warn!(%error, "node certificate not usable");
                    certificate.problem = problem;
                    certificate.removed = matches!(error, CertsError::Removed(_));
                }
                news
            });
        }
    }
}

/// The three files as they are at one moment.
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    root: Vec<u8>,
}

impl Files {
    /// To see changes without keeping another copy of the key.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for file in [&self.certificate, &self.key, &self.root] {
            hasher.write_usize(file.len());
            hasher.write(file);
        }
        hasher.finish()
    }
}

const CERTIFICATE: &str = "swarm-node.crt";
const KEY: &str = "swarm-node.key";
const ROOT: &str = "swarm-root-ca.crt";

/// The directory, unless it was removed while it was mounted or open. Where it can't be looked at, reading says why.
fn present(directory: &Path) -> Result<&Path, CertsError> {
    match std::fs::metadata(directory) {
        // Nothing names it any more.
        Ok(found) if found.nlink() == 0 => Err(CertsError::Removed(directory.to_owned())),
        _ => Ok(directory),
    }
}

fn read(directory: &Path) -> Result<Files, CertsError> {
    let read = |name: &str| {
        let path = directory.join(name);
        std::fs::read(&path).map_err(|source| CertsError::Unreadable { path, source })
    };
    Ok(Files {
        certificate: read(CERTIFICATE)?,
        key: read(KEY)?,
        root: read(ROOT)?,
    })
}

fn parse(directory: &Path, files: &Files) -> Result<Identity, CertsError> {
    let unusable = |name: &str, what: &'static str| CertsError::Unusable {
        path: directory.join(name),
        what,
    };
    let chain = pem::certificates(&files.certificate)
        .ok_or_else(|| unusable(CERTIFICATE, "certificate"))?;
    let roots = pem::certificates(&files.root).ok_or_else(|| unusable(ROOT, "root certificate"))?;
    let key = match pem::key(&files.key) {
        pem::Key::Plain(key) => key,
        pem::Key::Encrypted => return Err(CertsError::Locked(directory.join(KEY))),
        pem::Key::None => return Err(unusable(KEY, "private key")),
    };
    let subject =
        Subject::of(&chain).ok_or_else(|| unusable(CERTIFICATE, "certificate of a Swarm node"))?;
    Identity::new(subject, &chain, &key, &roots).map_err(|source| CertsError::Mismatch {
        directory: directory.to_owned(),
        source,
    })
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
