//! Tasks that speak TLS.

use crate::harness::{Client, Router, Task, ask, service};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;

const HOST: (&str, &str) = ("com.docker.lb.hosts", "a.test");
const PORT: (&str, &str) = ("com.docker.lb.port", "18080");
const TLS: (&str, &str) = ("com.docker.lb.ssl_backend", "true");

/// An authority's certificate, PEM, and a task with a certificate of it for a name.
pub(crate) fn authority_and_task(name: &str, protocols: &[&str]) -> (String, Task) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let task = Task::start_tls(TlsAcceptor::from(Arc::new(config)));
    (authority.pem(), task)
}

#[test]
fn a_task_is_believed_by_its_authority_and_spoken_with_by_http2() {
    let (authority, task) = authority_and_task("a.test", &["h2", "http/1.1"]);
    let router = Router::start(&[service("a", &[HOST, PORT, TLS], &[&task])]);
    // Nobody knows the authority so far.
    assert_eq!(ask(router.http, "a.test", "/").status, 502);
    fs::write(router.certificates().join("authority.pem"), authority).unwrap();
    let begin = Instant::now();
    let answer = loop {
        let answer = ask(router.http, "a.test", "/x");
        if answer.status == 200 {
            break answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{answer:?}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let asked = "GET https://a.test/x HTTP/2.0\n";
    assert!(answer.body.contains(asked), "{}", answer.body);
    assert_eq!(answer.seen("x-forwarded-proto"), ["http"]);
}

#[test]
fn a_task_with_a_certificate_for_another_name_is_not_believed() {
    let (authority, task) = authority_and_task("b.test", &[]);
    let router = Router::start(&[service("a", &[HOST, PORT, TLS], &[&task])]);
    fs::write(router.certificates().join("authority.pem"), authority).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(ask(router.http, "a.test", "/").status, 502);
}

#[test]
fn hosts_that_no_task_has_a_certificate_for_take_no_task_out_of_service() {
    let (first, one) = authority_and_task("right.shop.test", &[]);
    let (second, other) = authority_and_task("right.shop.test", &[]);
    let hosts = ("com.docker.lb.hosts", "*.shop.test");
    let services = [service("a", &[hosts, PORT, TLS], &[&one, &other])];
    let router = Router::start_after(&services, &[], |certificates| {
        fs::write(certificates.join("first.pem"), first).unwrap();
        fs::write(certificates.join("second.pem"), second).unwrap();
    });
    for number in 0..10 {
        let host = format!("wrong{number}.shop.test");
        assert_eq!(ask(router.http, &host, "/").status, 502);
    }
    let connections = |task: &Task| task.connections.load(Ordering::Relaxed);
    let tried = connections(&one) + connections(&other);
    assert_eq!(tried, 10, "no other task would do better");
    let tasks: BTreeSet<u64> = (0..20)
        .map(|_| ask(router.http, "right.shop.test", "/").task())
        .collect();
    assert_eq!(tasks, BTreeSet::from([one.key, other.key]));
}

#[test]
fn where_labels_say_so_any_certificate_will_do() {
    let (_, task) = authority_and_task("b.test", &[]);
    let any = ("com.docker.lb.ssl_backend_tls_verify", "none");
    let router = Router::start(&[service("a", &[HOST, PORT, TLS, any], &[&task])]);
    let answer = ask(router.http, "a.test", "/x");
    assert!(answer.body.contains("GET /x HTTP/1.1\n"), "{answer:?}");
}

/// Waits until the number of a task's open connections is as it should be.
#[track_caller]
fn until_open(task: &Task, is_right: impl Fn(usize) -> bool) {
    let begin = Instant::now();
    loop {
        let open = task.open.load(Ordering::Relaxed);
        if is_right(open) {
            return;
        }
        // Connections that nobody uses are closed after 30 s.
        assert!(begin.elapsed() < Duration::from_secs(10), "{open} are open");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_client_that_asks_for_many_hosts_makes_no_task_hold_many_connections() {
    let labels = [
        ("com.docker.lb.hosts", "*.a.test"),
        PORT,
        TLS,
        ("com.docker.lb.ssl_backend_tls_verify", "none"),
    ];
    for protocols in [vec![], vec!["h2"]] {
        let (_, task) = authority_and_task("a.test", &protocols);
        let router = Router::start(&[service("a", &labels, &[&task])]);
        let mut begun = Client::connect(router.http);
        begun.send("POST /begun HTTP/1.1\r\nHost: begun.a.test\r\nContent-Length: 5\r\n\r\nhel");
        until_open(&task, |open| open == 1);
        let mut client = Client::connect(router.http);
        for host in 0..300 {
            let answer = client.get(&format!("h{host}.a.test"), "/");
            assert_eq!((answer.status, answer.task()), (200, task.key));
        }
        // And the one whose request still comes: it is not kept, or no more.
        until_open(&task, |open| open <= 64 + 1);
        // What was under way goes on.
        let answer = begun.ask("lo");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.ends_with("\nhello"), "{answer:?}");
        until_open(&task, |open| open <= 64);
    }
}
