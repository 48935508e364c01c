//! Certificates and their keys, by file and by name.

use lb_router_wire::certificates as wire;
use lb_routes::certificates::ByName;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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

/// All certificates that there are.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    by_name: ByName<Certificate>,
    /// By file name.
    chains: HashMap<String, Vec<CertificateDer<'static>>>,
    keys: HashMap<String, Arc<dyn SigningKey>>,
    /// Of authorities, by which certificates of tasks are verified.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// Those with a key, as the agent is told of them.
    told: Vec<wire::Certificate>,
}

/// A key, and the names of the files that have it.
#[derive(Debug)]
struct Key {
    signing: Arc<dyn SigningKey>,
    files: Vec<String>,
}

impl Certificates {
    /// From the contents of files, by file name; files that hold neither certificate nor key are passed over.
    pub(crate) fn of(files: &BTreeMap<String, Vec<u8>>) -> (Self, Vec<CertificateProblem>) {
        let mut all = Self::default();
        let mut by_public_key: HashMap<Vec<u8>, Key> = HashMap::new();
        for (file, content) in files {
            if let Some(key) = signing_key(content) {
                if let Some(public) = key.public_key() {
                    let known = by_public_key.entry(public.to_vec());
                    let known = known.or_insert_with(|| Key {
                        signing: key.clone(),
                        files: Vec::new(),
                    });
                    known.files.push(file.clone());
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
            let Some(chain) = all.chains.get(file).cloned() else {
                continue;
            };
            if let Err(problem) = all.add(file, chain, &by_public_key) {
                problems.push(problem);
            }
        }
        (all, problems)
    }

    fn add(
        &mut self,
        file: &str,
        chain: Vec<CertificateDer<'static>>,
        keys: &HashMap<Vec<u8>, Key>,
    ) -> Result<(), CertificateProblem> {
        let broken = || CertificateProblem::Broken(file.to_owned());
        let leaf = chain.first().ok_or_else(broken)?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| broken())?;
        let key = keys.get(leaf.public_key().raw);
        if key.is_none() && leaf.is_ca() {
            // Of an authority, or several: nobody is served with them. One with its key may be both, as
            // `openssl req -x509` makes them.
            self.authorities.extend(chain);
            return Ok(());
        }
        let names = dns_names(&leaf);
        if let Some(key) = key {
            self.told.push(wire::Certificate {
                file: file.to_owned(),
                keys: key.files.clone(),
                names: names.clone(),
                expires_s: u64::try_from(leaf.validity().not_after.timestamp()).unwrap_or(0),
            });
        }
        if names.is_empty() {
            return Err(CertificateProblem::NoName(file.to_owned()));
        }
        let key = key.ok_or_else(|| CertificateProblem::NoKey(file.to_owned()))?;
        let certificate = Arc::new(CertifiedKey::new(chain, key.signing.clone()));
        for name in names {
            self.by_name.add(&name, certificate.clone());
        }
        Ok(())
    }

    /// Those that a client can be shown, by file: names and ends of validity.
    pub(crate) fn told(&self) -> &[wire::Certificate] {
        &self.told
    }

    /// The certificate for a name in small letters.
    pub(crate) fn for_name(&self, name: &str) -> Option<Certificate> {
        self.by_name.get(name).cloned()
    }

    /// The certificate and the key of two files.
    pub(crate) fn of_files(&self, certificate: &str, key: &str) -> Option<Certificate> {
        let chain = self.chains.get(certificate)?.clone();
        let certified = CertifiedKey::new(chain, self.keys.get(key)?.clone());
        certified.keys_match().is_ok().then(|| Arc::new(certified))
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
        let (all, problems) = Certificates::of(&files(&[
            ("a", shop.as_slice()),
            ("z", &shop_key),
            ("both.pem", &both),
            ("password", b"secret"),
        ]));
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
        let (all, _) = Certificates::of(&files);
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
        let (all, _) = Certificates::of(&files(&with));
        assert!(all.for_name("self.test").is_some() && all.authorities.is_empty());
        let (all, _) = Certificates::of(&files(&with[..1]));
        assert!(all.for_name("self.test").is_none() && all.authorities.len() == 1);
    }

    #[test]
    fn the_agent_is_told_of_those_with_a_key_and_nothing_of_that_but_its_files() {
        let (shop, shop_key) = made(&["Shop.test", "*.shop.test"]);
        let (alone, _) = made(&["alone.test"]);
        let (all, _) = Certificates::of(&files(&[
            ("alone", alone.as_slice()),
            ("key2", &shop_key),
            ("shop", &shop),
            ("key1", &shop_key),
        ]));
        let [told] = all.told() else {
            panic!("{:?}", all.told());
        };
        assert_eq!(
            (told.file.as_str(), &told.keys[..]),
            ("shop", &["key1".to_owned(), "key2".to_owned()][..])
        );
        assert_eq!(told.names, ["shop.test", "*.shop.test"]);
        // 4096-01-01, as rcgen has it.
        assert_eq!(told.expires_s, 67_090_118_400);
    }

    #[test]
    fn what_cannot_serve_is_named() {
        let (alone, _) = made(&["alone.test"]);
        let (nameless, key) = made(&[]);
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let (_, problems) = Certificates::of(&files(&[
            ("alone", alone.as_slice()),
            ("broken", broken),
            ("key", &key),
            ("nameless", &nameless),
        ]));
        let expected = [
            CertificateProblem::NoKey("alone".into()),
            CertificateProblem::Broken("broken".into()),
            CertificateProblem::NoName("nameless".into()),
        ];
        assert_eq!(problems, expected);
    }
}
