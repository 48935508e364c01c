//! TLS with clients: certificates by name, by label, and replaced.

use crate::harness::{Client, Router, Task, certificate, get_over_http2, service};
use lb_router_wire::certificates::Certificate;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test,b.test"),
    ("com.docker.lb.port", "18080"),
];

/// Asks for a URL by TLS under a name, trusting one certificate: protocol, status and body; the error of the handshake.
pub(crate) fn get(
    address: SocketAddr,
    trusted: &str,
    name: &str,
    url: &str,
) -> Result<(String, u16, String), String> {
    get_offering(address, trusted, name, url, vec![b"h2".to_vec()])
}

/// Asks so with these protocols (ALPN), HTTP/2 among them.
pub(crate) fn get_offering(
    address: SocketAddr,
    trusted: &str,
    name: &str,
    url: &str,
    protocols: Vec<Vec<u8>>,
) -> Result<(String, u16, String), String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
        .unwrap();
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = protocols;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = connecting.await.map_err(|error| error.to_string())?;
        let protocol = stream
            .get_ref()
            .1
            .alpn_protocol()
            .unwrap_or_default()
            .to_vec();
        let (status, body) = get_over_http2(stream, url).await;
        Ok((String::from_utf8(protocol).unwrap(), status, body))
    })
}

/// Waits until the router has read its directory.
pub(crate) fn until<T>(mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert!(begin.elapsed() < Duration::from_secs(10), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_name_is_served_with_its_certificate_by_http2() {
    let task = Task::start();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let a = certificate(&router.certificates(), "a", &["a.test"]);
    let (protocol, status, body) = until(|| get(router.https, &a, "a.test", "https://a.test/x"));
    assert_eq!((protocol.as_str(), status), ("h2", 200));
    assert!(body.contains("\nx-forwarded-proto: https\n"), "{body}");
    // There is none for this name.
    let refused = get(router.https, &a, "b.test", "https://b.test/").unwrap_err();
    assert!(
        refused.contains("UnrecognisedName") || refused.contains("alert"),
        "{refused}"
    );
    // And a connection that was made for one name reaches no other one.
    let (_, status, body) = get(router.https, &a, "a.test", "https://b.test/").unwrap();
    assert_eq!(status, 421, "{body}");
}

#[test]
fn the_agent_is_told_of_the_certificate_that_a_client_is_shown() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    let mut a = String::new();
    let prepare = |directory: &Path| a = certificate(directory, "a", &["a.test"]);
    let mut router = Router::start_after(&services, &[], prepare);
    let told = router.told_certificates();
    let seen = |told: &[Certificate]| -> Vec<(String, Vec<String>, Vec<String>)> {
        let told = told.iter();
        told.map(|it| (it.file.clone(), it.keys.clone(), it.names.clone()))
            .collect()
    };
    let one = |file: &str, name: &str| {
        let [crt, key] = ["crt", "key"].map(|end| format!("{file}.{end}"));
        (crt, vec![key], vec![name.to_owned()])
    };
    assert_eq!(seen(&told), [one("a", "a.test")]);
    let leaf = CertificateDer::from_pem_slice(a.as_bytes()).unwrap();
    let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
    let end = leaf.validity().not_after.timestamp();
    assert_eq!(i64::try_from(told[0].expires_s), Ok(end));
    get(router.https, &a, "a.test", "https://a.test/").unwrap();
    // What comes later is told, too, and so is another agent.
    let b = certificate(&router.certificates(), "b", &["b.test"]);
    let both = [one("a", "a.test"), one("b", "b.test")];
    while seen(&router.told_certificates()) != both {}
    get(router.https, &b, "b.test", "https://b.test/").unwrap();
    router.new_agent(&services);
    assert_eq!(seen(&router.told_certificates()), both);
}

#[test]
fn a_certificate_that_is_replaced_serves_the_next_handshake() {
    let task = Task::start();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let directory = router.certificates();
    let before = certificate(&directory, "a", &["a.test", "b.test"]);
    let url = "https://b.test/";
    until(|| get(router.https, &before, "a.test", url));
    let after = certificate(&directory, "a", &["a.test", "b.test"]);
    until(|| get(router.https, &after, "a.test", url));
    assert!(get(router.https, &before, "a.test", url).is_err());
}

#[test]
fn labels_name_the_files_of_a_certificate() {
    let task = Task::start();
    let labels = [
        LABELS.as_slice(),
        &[
            ("com.docker.lb.ssl_cert", "shop.crt"),
            ("com.docker.lb.ssl_key", "shop.key"),
        ],
    ]
    .concat();
    let router = Router::start(&[service("a", &labels, &[&task])]);
    let directory = router.certificates();
    // By name it would be the other one.
    certificate(&directory, "aaa", &["a.test"]);
    let shop = certificate(&directory, "shop", &["a.test"]);
    let (_, status, _) = until(|| get(router.https, &shop, "a.test", "https://a.test/"));
    assert_eq!(status, 200);
}

#[test]
fn who_comes_by_tls_while_there_is_no_router_waits_for_the_next_one() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    let mut a = String::new();
    let prepare = |directory: &Path| a = certificate(directory, "a", &["a.test"]);
    let mut router = Router::start_after(&services, &[], prepare);
    let address = router.https;
    for _ in 0..5 {
        let mut waiting = None;
        router.kill_and_restart(&services, || {
            let trusted = a.clone();
            waiting = Some(std::thread::spawn(move || {
                Client::connect_tls(address, &trusted, "a.test").get("a.test", "/")
            }));
        });
        let answer = waiting.unwrap().join().unwrap();
        assert_eq!((answer.status, answer.task()), (200, task.key));
    }
}
