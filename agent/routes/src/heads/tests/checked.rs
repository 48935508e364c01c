//! Requests that are refused, and what is known of the others.

use super::*;
use crate::path::PathError;
use http::StatusCode;
use proptest::prelude::*;

const V10: Version = Version::HTTP_10;
const V11: Version = Version::HTTP_11;
const V2: Version = Version::HTTP_2;

#[test]
fn the_host_is_that_of_the_field_or_of_the_target() {
    for (uri, version, text, host) in [
        ("/", V11, "host: A.example.com", "a.example.com"),
        ("/", V11, "host: a:8080", "a"),
        ("http://a/", V11, "host: A:80", "a"),
        ("https://a:443/", V11, "host: a", "a"),
        ("http://[::1]/", V11, "host: [::1]:80", "::1"),
        ("http://a/", V10, "", "a"),
        ("/", V10, "host: a", "a"),
        ("https://a/", V2, "", "a"),
        ("https://a/", V2, "host: a", "a"),
        ("/", V2, "host: a", "a"),
    ] {
        let found = checked("GET", uri, version, &fields(text));
        assert_eq!(
            found.map(|it| it.host.to_string()),
            Ok(host.to_owned()),
            "{uri} {text}"
        );
    }
}

#[test]
fn a_request_names_exactly_one_host() {
    for (uri, version, text, refusal) in [
        ("/", V11, "", Refusal::NoHost),
        ("http://a/", V11, "", Refusal::NoHost),
        ("/", V10, "", Refusal::NoHost),
        ("/", V2, "", Refusal::NoHost),
        ("/", V11, "host: a\nhost: a", Refusal::ManyHosts),
        ("https://a/", V2, "host: a\nhost: b", Refusal::ManyHosts),
        ("/", V11, "host: a b", Refusal::BadHost),
        ("/", V11, "host: u@a", Refusal::BadHost),
        ("/", V11, "host: a,b", Refusal::BadHost),
        ("/", V11, "host: a/b", Refusal::BadHost),
        ("/", V11, "host: a:+80", Refusal::BadHost),
        ("https://u@a/", V2, "", Refusal::BadHost),
        ("http://b/", V11, "host: a", Refusal::OtherHost),
        ("http://a:81/", V11, "host: a", Refusal::OtherHost),
        ("https://a/", V2, "host: b", Refusal::OtherHost),
        ("https://a/", V2, "host: a:80", Refusal::OtherHost),
    ] {
        let found = checked("GET", uri, version, &fields(text));
        assert_eq!(found, Err(refusal), "{uri} {text:?}");
        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn a_target_has_8190_bytes_at_most() {
    let checked = |uri: &str| checked("GET", uri, V11, &fields("host: a")).map(drop);
    let path = format!("/{}", "a".repeat(8_187));
    assert_eq!(checked(&format!("{path}?b")), Ok(()));
    assert_eq!(checked(&format!("http://a{path}?b")), Ok(()));
    assert_eq!(checked(&format!("{path}?bc")), Err(Refusal::LongTarget));
    assert_eq!(Refusal::LongTarget.status(), StatusCode::URI_TOO_LONG);
}

#[test]
fn a_body_has_one_end() {
    for (version, text, refusal) in [
        (V11, "content-length: 5", None),
        (V11, "transfer-encoding: Chunked", None),
        (
            V11,
            "content-length: 5\ntransfer-encoding: chunked",
            Some(Refusal::TwoLengths),
        ),
        (
            V11,
            "content-length: 5\ncontent-length: 5",
            Some(Refusal::ContentLength),
        ),
        (V11, "content-length: 5, 5", Some(Refusal::ContentLength)),
        (V11, "content-length: +5", Some(Refusal::ContentLength)),
        (
            V11,
            "transfer-encodingx: a",
            Some(Refusal::TransferEncoding),
        ),
        (
            V2,
            "transfer-encoding-x: a",
            Some(Refusal::TransferEncoding),
        ),
        (
            V11,
            "content-length: 18446744073709551616",
            Some(Refusal::ContentLength),
        ),
        (
            V2,
            "content-length: 5\ncontent-length: 6",
            Some(Refusal::ContentLength),
        ),
        (
            V10,
            "transfer-encoding: chunked",
            Some(Refusal::TransferEncoding),
        ),
        (
            V11,
            "transfer-encoding: identity",
            Some(Refusal::TransferEncoding),
        ),
        (
            V11,
            "transfer-encoding: chunked, gzip",
            Some(Refusal::TransferEncoding),
        ),
        (
            V11,
            "transfer-encoding: chunked, chunked",
            Some(Refusal::TransferEncoding),
        ),
        (
            V11,
            "transfer-encoding: chunked\ntransfer-encoding: chunked",
            Some(Refusal::TransferEncoding),
        ),
        (
            V11,
            "transfer-encoding: gzip, chunked",
            Some(Refusal::TransferCoding),
        ),
        (
            V11,
            "transfer-encoding: xchunked",
            Some(Refusal::TransferEncoding),
        ),
        (V2, "transfer-encoding: chunked", Some(Refusal::Field)),
        (V2, "connection: close", Some(Refusal::Field)),
        (V2, "x: \u{9}a", Some(Refusal::Field)),
    ] {
        let headers = fields(&format!("host: a\n{text}"));
        let found = checked("POST", "/", version, &headers);
        assert_eq!(found.err(), refusal, "{version:?} {text}");
    }
    assert_eq!(
        Refusal::TransferCoding.status(),
        StatusCode::NOT_IMPLEMENTED
    );
}

#[test]
fn targets_are_paths_and_the_asterisk_is_of_options() {
    let host = fields("host: a");
    let of = |method, uri| checked(method, uri, V11, &host);
    let found = of("OPTIONS", "*").unwrap();
    assert_eq!((found.path.as_str(), found.asterisk), ("/", true));
    assert!(!of("OPTIONS", "/").unwrap().asterisk);
    assert_eq!(
        of("GET", "*").err(),
        Some(Refusal::Path(PathError::Relative))
    );
    assert_eq!(
        of("GET", "a").err(),
        Some(Refusal::Path(PathError::Relative))
    );
    assert_eq!(of("GET", "ftp://a/").err(), Some(Refusal::Scheme));
    assert_eq!(of("GET", "/a/../b?x=%2e").unwrap().path.as_str(), "/b");
    assert_eq!(of("GET", "/?ä").err(), Some(Refusal::Query));
    assert_eq!(
        of("GET", "/%00").err(),
        Some(Refusal::Path(PathError::Byte(0)))
    );
}

#[test]
fn methods_that_reach_past_the_router_are_not_served() {
    let host = fields("host: a");
    for (method, uri) in [("TRACE", "/"), ("CONNECT", "a:443"), ("CONNECT", "/")] {
        let found = checked(method, uri, V11, &host);
        assert_eq!(found.err(), Some(Refusal::Method), "{method} {uri}");
    }
    assert_eq!(Refusal::Method.status(), StatusCode::METHOD_NOT_ALLOWED);
    let extended = |version, protocol| {
        check(Head {
            method: &Method::CONNECT,
            uri: &"https://a/chat".parse().unwrap(),
            version,
            headers: &HeaderMap::new(),
            protocol,
        })
    };
    let found = extended(V2, Some("websocket")).unwrap();
    assert!(found.websocket);
    assert_eq!(found.path.as_str(), "/chat");
    for refused in [
        extended(V2, Some("connect-udp")),
        extended(V2, None),
        extended(V11, Some("websocket")),
    ] {
        assert_eq!(refused.err(), Some(Refusal::Method));
    }
}

#[test]
fn only_a_request_for_a_websocket_alone_is_one() {
    let upgrade = "host: a\nconnection: keep-alive, Upgrade\nupgrade: WebSocket";
    let asks = |method, version, text: &str| {
        let found = checked(method, "/", version, &fields(text)).unwrap();
        found.websocket
    };
    assert!(asks("GET", V11, upgrade));
    assert!(asks("GET", V11, &format!("{upgrade}\ncontent-length: 0")));
    for (method, version, text) in [
        ("POST", V11, upgrade.to_owned()),
        ("GET", V10, upgrade.to_owned()),
        ("GET", V11, format!("{upgrade}\ncontent-length: 1")),
        ("GET", V11, format!("{upgrade}\ntransfer-encoding: chunked")),
        ("GET", V11, format!("{upgrade}, h2c")),
        ("GET", V11, format!("{upgrade}\nupgrade: h2c")),
        ("GET", V11, upgrade.replace("WebSocket", "h2c")),
        ("GET", V11, upgrade.replace(", Upgrade", "")),
    ] {
        assert!(!asks(method, version, &text), "{method} {text}");
    }
}

#[test]
fn a_hundred_fields_are_enough() {
    let mut headers = fields("host: a");
    for number in 0..99 {
        headers.append("x", number.into());
    }
    assert!(checked("GET", "/", V11, &headers).is_ok());
    headers.append("x", 1.into());
    let refusal = checked("GET", "/", V11, &headers).unwrap_err();
    assert_eq!(refusal, Refusal::ManyFields);
    assert_eq!(refusal.status().as_u16(), 431);
}

proptest! {
    /// Where the check passes, a target and a `Host` that name different hosts are not both there.
    #[test]
    fn two_hosts_never_pass(target in "[ab]{1,2}(:(80|81))?", field in "[ab]{1,2}(:(80|81))?") {
        let headers = fields(&format!("host: {field}"));
        let found = checked("GET", &format!("http://{target}/"), V11, &headers);
        let full = |text: &str| if text.contains(':') { text.to_owned() } else { format!("{text}:80") };
        prop_assert_eq!(found.is_ok(), full(&target) == full(&field));
    }
}
