//! Certificates by file and by name, what is of no use, and what the agent is told.

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
fn the_agent_is_told_of_those_with_a_key_and_nothing_of_that_but_its_files() {
    let (shop, shop_key) = made(&["Shop.test", "*.shop.test"]);
    let (alone, _) = made(&["alone.test"]);
    let (all, _) = Certificates::of(
        &files(&[
            ("alone", alone.as_slice()),
            ("key2", &shop_key),
            ("shop", &shop),
            ("key1", &shop_key),
        ]),
        None,
    );
    let told: Vec<_> = all.told().collect();
    let [told] = told[..] else {
        panic!("{told:?}");
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
