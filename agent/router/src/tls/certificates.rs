//! Certificates and their keys, by file and by name.

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

/// A certificate for some names, with its key.
#[derive(Debug)]
struct Usable {
    certificate: Certificate,
    /// DNS names in small letters, `*.` among them.
    names: Vec<String>,
    /// Last second of its validity, since 1970.
    not_after_s: u64,
    /// Names of the files in which its key is.
    key_files: Vec<String>,
}

/// All certificates that there are.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    /// By the name that they are for, in small letters; those of files with smaller names first.
    exact: HashMap<String, Vec<Arc<Usable>>>,
    /// By the domain below which they are for each name of one label (RFC 6125, section 6.4.3); those of files with
    /// smaller names first.
    wildcard: HashMap<String, Vec<Arc<Usable>>>,
    /// By the name of the file that it is in, or was in before that was replaced by one that cannot be used yet.
    usable: HashMap<String, Arc<Usable>>,
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
            let nameless = matches!(added, Err(CertificateProblem::NoName(_)));
            problems.extend(added.err());
            if let Some(kept) = kept.filter(|_| !nameless && !all.usable.contains_key(file)) {
                tracing::warn!(
                    file,
                    "the certificate that was in a file before goes on being used"
                );
                all.serve(file, kept);
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
        if names.is_empty() {
            return Err(CertificateProblem::NoName(file.to_owned()));
        }
        let (Some(key), Some(key_files)) = (key, key_files) else {
            return Err(CertificateProblem::NoKey(file.to_owned()));
        };
        let not_after = leaf.validity().not_after.timestamp();
        let usable = Usable {
            certificate: Arc::new(CertifiedKey::new(chain, key.clone())),
            names,
            not_after_s: u64::try_from(not_after).unwrap_or_default(),
            key_files: key_files.clone(),
        };
        self.serve(file, &Arc::new(usable));
        Ok(())
    }

    /// Uses a certificate, of this file, for its names.
    fn serve(&mut self, file: &str, usable: &Arc<Usable>) {
        for name in &usable.names {
            let (names, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent),
                None => (&mut self.exact, name.as_str()),
            };
            let of_name = names.entry(name.to_owned()).or_default();
            of_name.push(usable.clone());
        }
        self.usable.insert(file.to_owned(), usable.clone());
    }

    /// The certificate for a name in small letters: of several, the first that has not expired.
    pub(crate) fn for_name(&self, name: &str) -> Option<Certificate> {
        let exact = self.exact.get(name);
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let wildcard = parent.and_then(|parent| self.wildcard.get(parent));
        let all = || [exact, wildcard].into_iter().flatten().flatten();
        let now_s = UnixTime::now().as_secs();
        let valid = all().find(|it| it.not_after_s >= now_s);
        let found = valid.or_else(|| all().next())?;
        Some(found.certificate.clone())
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
            let fits = usable.key_files.iter().any(|file| file == key);
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
mod tests {
    mod replaced;

    use super::{CertificateProblem, Certificates};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use std::collections::BTreeMap;

    /// Certificate and key, PEM.
    fn made(names: &[&str]) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key);
        (
            certificate.unwrap().pem().into_bytes(),
            key.serialize_pem().into_bytes(),
        )
    }

    fn files(files: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
        let files = files.iter();
        files
            .map(|(name, content)| ((*name).to_owned(), content.to_vec()))
            .collect()
    }

    #[test]
    fn a_name_leads_to_its_certificate_whatever_the_files_are_called() {
        let (shop, shop_key) = made(&["shop.test", "*.shop.test"]);
        let (blog, blog_key) = made(&["Blog.test"]);
        let both = [blog.as_slice(), &blog_key].concat();
        let (all, problems) = Certificates::of(
            &files(&[
                ("a", shop.as_slice()),
                ("z", &shop_key),
                ("both.pem", &both),
                ("password", b"secret"),
            ]),
            None,
        );
        assert_eq!(problems, []);
        let of = |name: &str| all.for_name(name).map(|it| it.cert[0].to_vec());
        assert!(of("shop.test").is_some());
        assert_eq!(of("shop.test"), of("www.shop.test"));
        assert_eq!(of("a.b.shop.test"), None, "one label");
        assert!(of("blog.test").is_some_and(|blog| Some(blog) != of("shop.test")));
        assert_eq!(of("other.test"), None);
    }

    #[test]
    fn labels_name_files_and_a_key_that_does_not_fit_is_not_used() {
        let (one, one_key) = made(&["one.test"]);
        let (_, other_key) = made(&["other.test"]);
        let files = files(&[
            ("cert", one.as_slice()),
            ("key", &one_key),
            ("other", &other_key),
        ]);
        let (all, _) = Certificates::of(&files, None);
        assert!(all.of_files("cert", "key").is_some());
        assert!(all.of_files("cert", "other").is_none());
        assert!(all.of_files("cert", "nowhere").is_none());
    }

    #[test]
    fn a_certificate_that_signs_itself_serves_with_its_key_and_is_an_authority_without() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["self.test".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        let key = key.serialize_pem();
        let with = [("crt", certificate.as_bytes()), ("key", key.as_bytes())];
        let (all, _) = Certificates::of(&files(&with), None);
        assert!(all.for_name("self.test").is_some() && all.authorities.is_empty());
        let (all, _) = Certificates::of(&files(&with[..1]), None);
        assert!(all.for_name("self.test").is_none() && all.authorities.len() == 1);
    }

    #[test]
    fn what_cannot_serve_is_named() {
        let (alone, _) = made(&["alone.test"]);
        let (nameless, key) = made(&[]);
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let (_, problems) = Certificates::of(
            &files(&[
                ("alone", alone.as_slice()),
                ("broken", broken),
                ("key", &key),
                ("nameless", &nameless),
            ]),
            None,
        );
        let expected = [
            CertificateProblem::NoKey("alone".into()),
            CertificateProblem::Broken("broken".into()),
            CertificateProblem::NoName("nameless".into()),
        ];
        assert_eq!(problems, expected);
    }
}
