//! curl: versions of HTTP, TLS, uploads, methods, and what labels ask of clients.

use crate::harness::{Task, service};
use crate::pages;
use crate::programs::{CURL, Found};
use crate::site::{LABELS, Site};
use std::io::Write as _;

/// curl as these tests call it: what it got, then what it says of the exchange.
struct Curl<'a> {
    curl: Found,
    site: &'a Site,
}

impl Curl<'_> {
    /// Asks for a path of `a.test`; `{http_version} {http_code}` on a line, and the answer.
    #[track_caller]
    fn get(&self, path: &str, options: &[&str]) -> (String, String) {
        self.ask(&format!("http://a.test{path}"), options)
    }

    /// Asks for a path by TLS.
    #[track_caller]
    fn get_tls(&self, path: &str, options: &[&str]) -> (String, String) {
        self.ask(&format!("https://a.test{path}"), options)
    }

    #[track_caller]
    fn ask(&self, url: &str, options: &[&str]) -> (String, String) {
        let Site { router, .. } = self.site;
        let connect = [("80", router.http), ("443", router.https)]
            .map(|(port, to)| format!("a.test:{port}:127.0.0.1:{}", to.port()));
        let trusted = self.site.certificate_file();
        let always = [
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--noproxy",
            "*",
            "--cacert",
            &trusted,
            "--connect-to",
            &connect[0],
            "--connect-to",
            &connect[1],
            "--write-out",
            "\n%{http_version} %{http_code}",
        ];
        let said = self.curl.run(&[&always, options, &[url]].concat());
        let (body, exchange) = said.rsplit_once('\n').unwrap();
        (exchange.to_owned(), body.to_owned())
    }
}

/// A site with a task that answers with what it got.
fn site() -> (Task, Site) {
    let task = Task::start();
    let site = Site::start(&[service("a", &LABELS, &[&task])]);
    (task, site)
}

#[test]
fn versions_of_http_without_and_by_tls() {
    let Some(curl) = CURL.find() else { return };
    let (_task, site) = site();
    let site = &site;
    let curl = Curl { curl, site };
    let line = "\nGET /x?y HTTP/1.1\n";
    for (option, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let (exchange, body) = curl.get("/x?y", &[option]);
        assert_eq!(exchange, format!("{version} 200"));
        assert!(body.contains(line), "{body}");
        assert!(body.contains("\nx-forwarded-proto: http\n"), "{body}");
    }
    // Who asks to be upgraded to HTTP/2 stays with HTTP/1.1 (RFC 9113 has no such upgrade any more).
    assert_eq!(curl.get("/", &["--http2"]).0, "1.1 200");
    for (options, version) in [
        (["--http1.1"].as_slice(), "1.1"),
        (&["--http2"], "2"),
        (&["--tls-max", "1.2"], "2"),
        (&["--tlsv1.3"], "2"),
    ] {
        let (exchange, body) = curl.get_tls("/x?y", options);
        assert_eq!(exchange, format!("{version} 200"));
        assert!(body.contains(line), "{body}");
        assert!(body.contains("\nx-forwarded-proto: https\n"), "{body}");
    }
    // Several requests on one connection.
    let url = "https://a.test/[1-20]";
    let (_, bodies) = curl.ask(url, &["--http2"]);
    assert_eq!(bodies.matches("\n2 200").count(), 19, "{bodies}");
}

#[test]
fn a_name_by_resolve_chooses_the_certificate() {
    let Some(curl) = CURL.find() else { return };
    let (_task, site) = site();
    let port = site.router.https.port();
    let certificates = site.router.certificates();
    let [of_a, of_b] = ["a.crt", "b.crt"].map(|file| certificates.join(file));
    let [of_a, of_b] = [&of_a, &of_b].map(|file| file.to_str().unwrap());
    let asks = |name: &str, trusted: &str, served: bool| {
        let line = format!(
            "--silent --show-error --max-time 20 --noproxy * --resolve {name}:{port}:127.0.0.1 \
             --cacert {trusted} https://{name}:{port}/"
        );
        let arguments: Vec<&str> = line.split_whitespace().collect();
        if served {
            return curl.run(&arguments);
        }
        curl.fails(&arguments);
        String::new()
    };
    let body = asks("a.test", of_a, true);
    assert!(body.contains(&format!("\nhost: a.test:{port}\n")), "{body}");
    asks("a.test", of_b, false);
    // Nobody is routed there, but there is a certificate.
    let body = asks("b.test", of_b, true);
    assert!(body.contains("b.test"), "{body}");
    asks("b.test", of_a, false);
    // And none at all.
    asks("c.test", of_a, false);
}

#[test]
fn uploads_with_a_length_with_chunks_and_with_leave() {
    let Some(curl) = CURL.find() else { return };
    let (_task, site) = site();
    let site = &site;
    let curl = Curl { curl, site };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let content = "0123456789abcdef".repeat(128 << 10);
    file.write_all(content.as_bytes()).unwrap();
    let file = format!("@{}", file.path().display());
    let data = ["--data-binary", &file];
    let chunked = ["--header", "Transfer-Encoding: chunked"];
    // With leave: an upload of more than 1 MiB waits for `100 Continue`; without one, for a second.
    let waits = [
        "--header",
        "Expect: 100-continue",
        "--expect100-timeout",
        "15",
        "--max-time",
        "5",
    ];
    let none = ["--header", "Expect:"];
    for options in [
        [["--http1.1"].as_slice(), &data, &waits].concat(),
        [["--http1.1"].as_slice(), &data, &none].concat(),
        [["--http1.1"].as_slice(), &data, &chunked, &none].concat(),
        [["--http1.1"].as_slice(), &data, &chunked, &waits].concat(),
        [["--http2-prior-knowledge"].as_slice(), &data].concat(),
    ] {
        let (exchange, body) = curl.get("/", &options);
        assert!(exchange.ends_with(" 200"), "{options:?}: {exchange}");
        let (head, got) = body.split_once("\n\n").unwrap();
        assert!(got == content, "{options:?}: {} bytes", got.len());
        assert!(!head.contains("\nexpect:"), "{head}");
    }
    let (exchange, body) = curl.get_tls("/", &data);
    assert_eq!(exchange, "2 200");
    assert!(body.ends_with(&content));
}

#[test]
fn a_head_has_a_length_and_no_body_and_parts_are_parts() {
    let Some(curl) = CURL.find() else { return };
    let task = pages::start("");
    let site = &Site::start(&[service("a", &LABELS, &[&task])]);
    let curl = Curl { curl, site };
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let (exchange, head) = curl.get("/file", &[version, "--head"]);
        assert!(exchange.ends_with(" 200"), "{exchange}");
        assert!(
            head.to_lowercase().contains("\ncontent-length: 16"),
            "{head}"
        );
        let (exchange, part) = curl.get("/file", &[version, "--range", "4-7"]);
        assert!(exchange.ends_with(" 206"), "{exchange}");
        assert_eq!(part, "4567");
    }
}

#[test]
fn who_is_sent_to_https_and_asked_for_a_password_gets_there() {
    let Some(curl) = CURL.find() else { return };
    let task = Task::start();
    let only_tls = [LABELS.as_slice(), &[("com.docker.lb.ssl_only", "true")]].concat();
    let site = &Site::start(&[service("a", &only_tls, &[&task])]);
    let there = Curl { curl, site };
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        assert_eq!(
            there.get("/x", &[version]).0[1..].trim_start_matches(".1"),
            " 302"
        );
    }
    let (exchange, body) = there.get("/x?y", &["--location"]);
    assert_eq!(exchange, "2 200");
    assert!(body.contains("\nx-forwarded-proto: https\n"), "{body}");
    // A POST stays one.
    let (exchange, body) = there.get("/x", &["--location", "--data", "hello"]);
    assert_eq!(exchange, "2 200");
    assert!(body.contains("\nPOST /x "), "{body}");
    assert!(body.ends_with("\n\nhello"), "{body}");

    // `htpasswd -nbs user password`
    let labels = [
        ("traefik.http.routers.a.rule", "Host(`a.test`)"),
        ("traefik.http.routers.a.entrypoints", "web,websecure"),
        ("traefik.http.routers.a.middlewares", "door"),
        (
            "traefik.http.middlewares.door.basicauth.users",
            "user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        ),
        ("traefik.http.services.a.loadbalancer.server.port", "18080"),
    ];
    let site = &Site::start(&[service("a", &labels, &[&task])]);
    let there = Curl { curl, site };
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let ask = |options: &[&str]| there.get("/", &[&[version], options].concat()).0;
        assert!(ask(&[]).ends_with(" 401"));
        assert!(ask(&["--user", "user:wrong"]).ends_with(" 401"));
        assert!(ask(&["--user", "user:password"]).ends_with(" 200"));
    }
    // Which scheme it is, curl reads in the challenge, and asks again on the same connection. (Without TLS, curl 7.88 cannot
    // use a connection of HTTP/2 again.)
    for version in ["--http1.1", "--http2"] {
        let (exchange, body) =
            there.get_tls("/", &[version, "--anyauth", "--user", "user:password"]);
        assert!(exchange.ends_with(" 200"), "{exchange}");
        assert!(body.contains("\nGET / HTTP/1.1\n"), "{body}");
    }
}
