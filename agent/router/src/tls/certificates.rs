//! Certificates and their keys, by file and by name.

use lb_router_wire::certificates as wire;
use lb_routes::certificates::ByName;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// A certificate with its chain and key, as rustls uses it.
pub(crate) type Certificate = Arc<CertifiedKey>;

/// A certificate's file that is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateProblem {
    /// There is no key for it in any of the files.
    #[error("the certificate in {0} has no key: put the key of that certificate beside it")]
    NoKey(String),
    /// It is broken.
    #[error("the certificate in {0} cannot be read")]
    Broken(String),
    /// It is for no name.
    #[error("the certificate in {0} is for no DNS name (subjectAltName)")]
    NoName(String),
}

/// A certificate with its key, and what the agent is told of it.
#[derive(Debug)]
struct Usable {
    certificate: Certificate,
    told: wire::Certificate,
}

/// All certificates that there are.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    /// Those of files with smaller names first.
    by_name: ByName<Certificate>,
    /// By the name of the file that it is in, or was in before that was replaced by one that cannot be used yet.
    usable: BTreeMap<String, Arc<Usable>>,
    /// By file name.
    chains: HashMap<String, Vec<CertificateDer<'static>>>,
    keys: HashMap<String, Arc<dyn SigningKey>>,
    /// Of authorities, by which certificates of tasks are verified.
    pub(super) authorities: Vec<CertificateDer<'static>>,
}

impl Certificates {
    /// From the contents of files, by file name; files that hold neither certificate nor key are passed over.
    ///
    /// Certificates and keys are replaced one after the other, and not at one stroke: where a file's certificate is broken or has no
    /// key, the one that it had `before` is used until there is another one, or no such file.
    pub(crate) fn of(
        files: &BTreeMap<String, Vec<u8>>,
        before: Option<&Self>,
    ) -> (Self, Vec<CertificateProblem>) {
        let mut all = Self::default();
        let mut by_public_key: HashMap<Vec<u8>, Vec<String>> = HashMap::new();
        for (file, content) in files {
            if let Some(key) = signing_key(content) {
                if let Some(public) = key.public_key() {
                    let key_files = by_public_key.entry(public.to_vec()).or_default();
                    key_files.push(file.clone());
                }
                all.keys.insert(file.clone(), key);
            }
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
            if let Ok(chain) = chain
                && !chain.is_empty()
            {
                all.chains.insert(file.clone(), chain);
            }
        }
        let mut problems = Vec::new();
        // In the order of names: of two certificates for one name all nodes take the same.
        for file in files.keys() {
            let kept = before.and_then(|before| before.usable.get(file));
            let added = match all.chains.get(file).cloned() {
                Some(chain) => all.add(file, chain, &by_public_key),
                // It held a certificate: it is being written.
                None if kept.is_some() => Err(CertificateProblem::Broken(file.clone())),
                None => continue,
            };
            problems.extend(added.err());
            if let Some(kept) = kept.filter(|_| !all.usable.contains_key(file)) {
                tracing::warn!(
                    file,
                    "the certificate that was in a file before goes on being used"
                );
                all.serve(kept);
            }
        }
        (all, problems)
    }

    /// The certificate of a file, with the files of all keys by public key.
    fn add(
        &mut self,
        file: &str,
        chain: Vec<CertificateDer<'static>>,
        keys: &HashMap<Vec<u8>, Vec<String>>,
    ) -> Result<(), CertificateProblem> {
        let broken = || CertificateProblem::Broken(file.to_owned());
        let leaf = chain.first().ok_or_else(broken)?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| broken())?;
        let key_files = keys.get(leaf.public_key().raw);
        let key = key_files.and_then(|files| self.keys.get(files.first()?));
        if key.is_none() && leaf.is_ca() {
            // Of an authority, or several: nobody is served with them. One with its key may be both, as
            // `openssl req -x509` makes them.
            tracing::info!(
                file,
                "an authority's certificate without its key: tasks are believed by it, and no client is served with it"
            );
            self.authorities.extend(chain);
            return Ok(());
        }
        let names = dns_names(&leaf);
        let (Some(key), Some(key_files)) = (key, key_files) else {
            return Err(if names.is_empty() {
                CertificateProblem::NoName(file.to_owned())
            } else {
                CertificateProblem::NoKey(file.to_owned())
            });
        };
        let is_nameless = names.is_empty();
        let not_after = leaf.validity().not_after.timestamp();
        let told = wire::Certificate {
            file: file.to_owned(),
            keys: key_files.clone(),
            names,
            expires_s: u64::try_from(not_after).unwrap_or_default(),
        };
        let certificate = Arc::new(CertifiedKey::new(chain, key.clone()));
        self.serve(&Arc::new(Usable { certificate, told }));
        if is_nameless {
            // A label can name its files all the same.
            return Err(CertificateProblem::NoName(file.to_owned()));
        }
        Ok(())
    }

    /// Uses a certificate for its names.
    fn serve(&mut self, usable: &Arc<Usable>) {
        let told = &usable.told;
        for name in &told.names {
            let certificate = usable.certificate.clone();
            self.by_name.add(name, told.expires_s, certificate);
        }
        self.usable.insert(told.file.clone(), usable.clone());
    }

    /// Those that a client can be shown, by file: names and ends of validity.
    pub(crate) fn told(&self) -> impl Iterator<Item = &wire::Certificate> {
        self.usable.values().map(|usable| &usable.told)
    }

    /// The certificate for a name in small letters.
    pub(crate) fn for_name(&self, name: &str) -> Option<Certificate> {
        let now_s = UnixTime::now().as_secs();
        self.by_name.get(name, now_s).cloned()
    }

    /// The certificate and the key of two files.
    pub(crate) fn of_files(&self, certificate: &str, key: &str) -> Option<Certificate> {
        let fitting = || {
            let chain = self.chains.get(certificate)?.clone();
            let certified = CertifiedKey::new(chain, self.keys.get(key)?.clone());
            certified.keys_match().is_ok().then(|| Arc::new(certified))
        };
        // While one of them is replaced, those that were in both before.
        let kept = || {
            let usable = self.usable.get(certificate)?;
            let fits = usable.told.keys.iter().any(|file| file == key);
            fits.then(|| usable.certificate.clone())
        };
        fitting().or_else(kept)
    }
}

fn signing_key(content: &[u8]) -> Option<Arc<dyn SigningKey>> {
    let key = PrivateKeyDer::from_pem_slice(content).ok()?;
    rustls::crypto::ring::sign::any_supported_type(&key).ok()
}

fn dns_names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = leaf.subject_alternative_name().ok().flatten();
    let names = alternatives.map(|extension| extension.value.general_names.iter());
    let names = names.into_iter().flatten();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
