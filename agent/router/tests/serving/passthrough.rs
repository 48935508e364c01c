//! Services that speak TLS with clients themselves.

use crate::harness::{Router, Task, ask, certificate, service};
use crate::task_tls::authority_and_task;
use crate::tls::{get, get_offering, until};

const HOST: (&str, &str) = ("com.docker.lb.hosts", "a.test");
const PORT: (&str, &str) = ("com.docker.lb.port", "18080");
const PASSTHROUGH: (&str, &str) = ("com.docker.lb.ssl_passthrough", "true");

#[test]
fn the_task_shows_its_own_certificate_and_other_hosts_are_served_beside_it() {
    let (authority, task) = authority_and_task("a.test", &["h2"]);
    let (other, absent) = (Task::start(), Task::absent());
    let others = [("com.docker.lb.hosts", "b.test"), PORT];
    let router = Router::start(&[
        service("a", &[HOST, PORT, PASSTHROUGH], &[&absent, &task]),
        service("b", &others, &[&other]),
    ]);
    let b = certificate(&router.certificates(), "b", &["b.test"]);
    for _ in 0..6 {
        let (protocol, status, body) =
            get(router.https, &authority, "a.test", "https://a.test/x").unwrap();
        assert_eq!((protocol.as_str(), status), ("h2", 200));
        assert!(body.contains("GET https://a.test/x HTTP/2.0\n"), "{body}");
        // The router has not read it.
        assert!(!body.contains("x-forwarded-for"), "{body}");
    }
    let (_, status, body) = until(|| get(router.https, &b, "b.test", "https://b.test/"));
    assert_eq!(status, 200);
    assert!(body.contains("\nx-forwarded-proto: https\n"), "{body}");
    // Without TLS there is nothing to pass.
    assert_eq!(ask(router.http, "a.test", "/").status, 404);
}

#[test]
fn without_a_task_the_connection_ends() {
    let (authority, task) = authority_and_task("a.test", &["h2"]);
    let leaving = task.leaving();
    let labels = [HOST, PORT, PASSTHROUGH];
    let router = Router::start(&[service("a", &labels, &[&leaving])]);
    assert!(get(router.https, &authority, "a.test", "https://a.test/").is_err());
}

#[test]
fn a_host_of_its_own_is_served_beside_a_service_that_has_all_hosts_about_it_passed() {
    let (authority, task) = authority_and_task("a.test", &["h2"]);
    let other = Task::start();
    let all = [("com.docker.lb.hosts", "*.test"), PORT, PASSTHROUGH];
    let own = [("com.docker.lb.hosts", "b.test"), PORT];
    let router = Router::start(&[
        service("all", &all, &[&task]),
        service("own", &own, &[&other]),
    ]);
    let b = certificate(&router.certificates(), "b", &["b.test"]);
    let (_, status, body) = until(|| get(router.https, &b, "b.test", "https://b.test/"));
    assert_eq!(status, 200);
    assert!(body.contains("\nx-forwarded-proto: https\n"), "{body}");
    let (_, status, body) = get(router.https, &authority, "a.test", "https://a.test/x").unwrap();
    assert_eq!(status, 200);
    assert!(!body.contains("x-forwarded-for"), "{body}");
}

#[test]
fn a_long_hello_is_served_and_passed() {
    let (authority, task) = authority_and_task("a.test", &["h2"]);
    let other = Task::start();
    let others = [("com.docker.lb.hosts", "b.test"), PORT];
    let router = Router::start(&[
        service("a", &[HOST, PORT, PASSTHROUGH], &[&task]),
        service("b", &others, &[&other]),
    ]);
    let b = certificate(&router.certificates(), "b", &["b.test"]);
    until(|| get(router.https, &b, "b.test", "https://b.test/"));
    for length in [5_000, 15_000] {
        let protocol = |number: usize| format!("{number:0>100}").into_bytes();
        let mut protocols: Vec<Vec<u8>> = (0..length / 100).map(protocol).collect();
        protocols.push(b"h2".to_vec());
        for (trusted, name) in [(&b, "b.test"), (&authority, "a.test")] {
            let (url, protocols) = (format!("https://{name}/"), protocols.clone());
            let (_, status, _) =
                get_offering(router.https, trusted, name, &url, protocols).unwrap();
            assert_eq!(status, 200, "{name}");
        }
    }
}
