//! The client's address, and the fields that tell the task of it.

use super::*;
use ipnet::IpNet;

fn networks(text: &str) -> Vec<IpNet> {
    text.split(' ').map(|it| it.parse().unwrap()).collect()
}

/// The client's address, by a downstream and its `X-Forwarded-For` fields, where 10.0.0.0/8 and fd00::/8 are trusted.
fn client(downstream: &str, lists: &[&str]) -> String {
    let lines: Vec<String> = lists
        .iter()
        .map(|list| format!("x-forwarded-for: {list}"))
        .collect();
    let headers = fields(&lines.join("\n"));
    let trusted = networks("10.0.0.0/8 fd00::/8");
    client_address(&trusted, downstream.parse().unwrap(), &headers).to_string()
}

#[test]
fn the_client_is_the_right_most_address_that_is_not_trusted() {
    for (downstream, lists, expected) in [
        ("192.0.2.1", vec!["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", vec![], "10.0.0.1"),
        ("10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
        (
            "10.0.0.1",
            vec!["203.0.113.9, 198.51.100.1, 10.2.2.2"],
            "198.51.100.1",
        ),
        (
            "10.0.0.1",
            vec!["203.0.113.9", "198.51.100.1", "10.2.2.2"],
            "198.51.100.1",
        ),
        ("10.0.0.1", vec!["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        (
            "10.0.0.1",
            vec!["198.51.100.1, unknown, 10.2.2.2"],
            "10.2.2.2",
        ),
        ("10.0.0.1", vec!["198.51.100.1:4711"], "198.51.100.1"),
        ("fd00::1", vec!["2001:db8::1"], "2001:db8::1"),
        (
            "fd00::1",
            vec!["[2001:db8::1]:4711, [fd00::2]"],
            "2001:db8::1",
        ),
        (
            "::ffff:10.0.0.1",
            vec!["::ffff:198.51.100.1"],
            "198.51.100.1",
        ),
        ("::ffff:192.0.2.1", vec!["198.51.100.1"], "192.0.2.1"),
    ] {
        assert_eq!(
            client(downstream, &lists),
            expected,
            "{downstream} {lists:?}"
        );
    }
}

/// What the task gets of a downstream's request with these fields.
fn told(downstream: &str, tls: bool, forwarded: bool, sent: &str) -> (String, Origin) {
    let mut headers = fields(&format!("host: a:8443\n{sent}"));
    let checked = checked("GET", "/", Version::HTTP_11, &headers).unwrap();
    let downstream = Downstream::new(downstream.parse().unwrap(), 8443, tls);
    let policy = Policy {
        trusted: networks("10.0.0.0/8"),
        forwarded,
    };
    let origin = prepare_request(&mut headers, &checked, &downstream, &policy, 0x2a);
    (text(&headers), origin)
}

#[test]
fn what_strangers_say_of_themselves_is_replaced() {
    let forged = "x-forwarded-for: 10.0.0.1
        x-forwarded-proto: http
        x-forwarded-host: evil
        x-forwarded-port: 1
        x-forwarded-user: root
        x-forwarded-tls-client-cert: x
        x-real-ip: 10.0.0.1
        x-request-id: mine
        forwarded: for=10.0.0.1";
    let (told, origin) = told("2001:db8::7", true, true, forged);
    assert_eq!(
        told,
        "forwarded: for=\"[2001:db8::7]\";host=\"a:8443\";proto=https\n\
         host: a:8443\n\
         x-forwarded-for: 2001:db8::7\n\
         x-forwarded-host: a:8443\n\
         x-forwarded-port: 8443\n\
         x-forwarded-proto: https\n\
         x-real-ip: 2001:db8::7\n\
         x-request-id: 0000000000000000000000000000002a"
    );
    assert_eq!(origin.client.to_string(), "2001:db8::7");
    assert!(origin.https);
    assert_eq!(origin.request_id, "0000000000000000000000000000002a");
}

#[test]
fn what_trusted_proxies_say_is_kept_and_continued() {
    let sent = "x-forwarded-for: 198.51.100.1
        x-forwarded-for: 10.9.9.9
        x-forwarded-proto: https
        x-forwarded-host: shop.example
        x-forwarded-port: 443
        x-forwarded-user: me
        x-request-id: mine
        connection: x-forwarded-for
        forwarded: for=198.51.100.1";
    let (told, origin) = told("10.0.0.1", false, false, sent);
    assert_eq!(
        told,
        "forwarded: for=198.51.100.1, for=10.0.0.1;host=\"a:8443\";proto=http\n\
         host: a:8443\n\
         x-forwarded-for: 198.51.100.1, 10.9.9.9, 10.0.0.1\n\
         x-forwarded-host: shop.example\n\
         x-forwarded-port: 443\n\
         x-forwarded-proto: https\n\
         x-forwarded-user: me\n\
         x-real-ip: 198.51.100.1\n\
         x-request-id: mine"
    );
    assert_eq!(origin.client.to_string(), "198.51.100.1");
    assert!(origin.https);
    assert_eq!(origin.request_id, "mine");
}

#[test]
fn ids_and_schemes_that_are_none_are_not_kept_from_anybody() {
    for id in ["a b".to_owned(), "x".repeat(129)] {
        let sent = format!("x-request-id: {id}\nx-forwarded-proto: gopher");
        let (told, origin) = told("10.0.0.1", true, false, &sent);
        assert_eq!(
            origin.request_id, "0000000000000000000000000000002a",
            "{id}"
        );
        assert!(told.contains("x-forwarded-proto: https"), "{told}");
    }
}

#[test]
fn an_empty_id_is_none() {
    let mut headers = fields("host: a");
    headers.insert("x-request-id", HeaderValue::from_static(""));
    let checked = checked("GET", "/", Version::HTTP_11, &headers).unwrap();
    let downstream = Downstream::new("10.0.0.1".parse().unwrap(), 80, false);
    let policy = Policy {
        trusted: networks("10.0.0.0/8"),
        forwarded: false,
    };
    let origin = prepare_request(&mut headers, &checked, &downstream, &policy, 0xff);
    assert_eq!(origin.request_id, "000000000000000000000000000000ff");
    assert!(!origin.https);
}
