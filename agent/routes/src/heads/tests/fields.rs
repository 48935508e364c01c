//! Fields that pass, and fields that do not.

use super::*;
use http::StatusCode;
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE};
use proptest::prelude::*;
use std::net::IpAddr;

fn downstream() -> Downstream {
    Downstream::new("192.0.2.1".parse().unwrap(), 80, false)
}

/// What the task gets of a request of HTTP/1.1 with these fields and `Host: a`; without what the router itself sets.
fn passed(fields_of_client: &str) -> String {
    let mut headers = fields(&format!("host: a\n{fields_of_client}"));
    let checked = checked("GET", "/", Version::HTTP_11, &headers).unwrap();
    prepare_request(&mut headers, &checked, &downstream(), &Policy::default(), 1);
    for name in [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-real-ip",
        "x-request-id",
        "host",
    ] {
        assert!(headers.remove(name).is_some(), "{name}");
    }
    text(&headers)
}

#[test]
fn fields_of_the_connection_do_not_pass() {
    for (sent, passes) in [
        ("accept: a\nconnection: close", "accept: a"),
        (
            "keep-alive: 1\nproxy-connection: x\nconnection: keep-alive",
            "",
        ),
        ("x-a: 1\nx-b: 2\nconnection: close, X-A ,, x-b", ""),
        ("x-a: 1\nx-b: 2\nconnection: x-a\nconnection: x-b", ""),
        (
            "connection: upgrade, http2-settings\nupgrade: h2c\nhttp2-settings: AAMAAABk",
            "",
        ),
        (
            "upgrade: websocket\nconnection: upgrade\nsec-websocket-key: x",
            "sec-websocket-key: x",
        ),
        ("te: gzip, Trailers", "te: trailers"),
        ("te: gzip", ""),
        ("trailer: x-forwarded-for", ""),
        ("transfer-encoding: chunked", ""),
        ("proxy-authorization: Basic eA==", ""),
        ("proxy: http://evil.example", ""),
        ("expect: 100-continue", ""),
    ] {
        assert_eq!(passed(sent), passes, "{sent}");
    }
}

#[test]
fn what_the_message_means_cannot_be_named_in_connection() {
    let passes =
        passed("content-length: 3\nconnection: content-length, host, x-forwarded-for, x-real-ip");
    assert_eq!(passes, "content-length: 3");
}

#[test]
fn names_with_underscores_do_not_pass() {
    assert_eq!(
        passed("X_Forwarded_For: 1\nx_auth-user: root\nx-a: 1"),
        "x-a: 1"
    );
}

#[test]
fn cookies_of_http_2_become_one_field() {
    assert_eq!(passed("cookie: a=1\ncookie: b=2"), "cookie: a=1; b=2");
    assert_eq!(passed("cookie: a=1"), "cookie: a=1");
}

#[test]
fn the_task_gets_the_authority_of_http_2_as_host() {
    let mut headers = HeaderMap::new();
    let found = checked("GET", "https://A.example:8443/", Version::HTTP_2, &headers).unwrap();
    prepare_request(&mut headers, &found, &downstream(), &Policy::default(), 1);
    assert_eq!(headers["host"], "A.example:8443");
    assert_eq!(headers["x-forwarded-host"], "A.example:8443");
}

#[test]
fn a_websocket_is_asked_for_and_told_apart() {
    let mut headers = HeaderMap::new();
    set_websocket(&mut headers, 1);
    assert_eq!(headers[CONNECTION], "upgrade");
    assert_eq!(headers[UPGRADE], "websocket");
    assert_eq!(headers["sec-websocket-version"], "13");
    assert_eq!(headers[SEC_WEBSOCKET_KEY], "AAAAAAAAAAAAAAAAAAAAAQ==");
    let mut own = fields("sec-websocket-key: own");
    set_websocket(&mut own, 1);
    assert_eq!(own[SEC_WEBSOCKET_KEY], "own");
    let switching = StatusCode::SWITCHING_PROTOCOLS;
    assert!(answers_websocket(switching, &fields("upgrade: WebSocket")));
    assert!(!answers_websocket(switching, &fields("upgrade: h2c")));
    assert!(!answers_websocket(switching, &fields("")));
    assert!(!answers_websocket(
        StatusCode::OK,
        &fields("upgrade: websocket")
    ));
}

#[test]
fn answers_lose_their_connections_fields_and_keep_trailer() {
    let mut headers = fields(
        "connection: x-a, content-length\nx-a: 1\ncontent-length: 3\nkeep-alive: 1\nupgrade: h2c
        trailer: grpc-status\nset-cookie: a=1\nset-cookie: b=2\ntransfer-encoding: chunked",
    );
    prepare_response(&mut headers);
    let kept = "content-length: 3\nset-cookie: a=1\nset-cookie: b=2\ntrailer: grpc-status";
    assert_eq!(text(&headers), kept);
}

#[test]
fn authentication_of_connections_is_seen() {
    assert!(binds_connection(&fields("www-authenticate: NTLM")));
    assert!(binds_connection(&fields(
        "www-authenticate: Basic realm=x\nwww-authenticate: Negotiate abc"
    )));
    assert!(!binds_connection(&fields(
        "www-authenticate: Basic realm=ntlm"
    )));
    assert!(!binds_connection(&fields("")));
}

#[test]
fn trailers_of_requests_pass_for_grpc_alone() {
    let of = |version, media_type: &str| {
        forwards_request_trailers(version, &fields(&format!("content-type: {media_type}")))
    };
    assert!(of(Version::HTTP_2, "application/grpc"));
    assert!(of(Version::HTTP_2, "Application/gRPC+proto"));
    assert!(!of(Version::HTTP_2, "application/grp"));
    assert!(!of(Version::HTTP_2, "application/json"));
    assert!(!of(Version::HTTP_11, "application/grpc"));
    assert!(!forwards_request_trailers(
        Version::HTTP_2,
        &HeaderMap::new()
    ));
    let mut trailers = fields(
        "x-checksum: 1\nx-forwarded-for: 1\nx_real: 1\nauthorization: x\nx-request-id: 1\ncontent-length: 0",
    );
    prepare_trailers(&mut trailers);
    assert_eq!(text(&trailers), "x-checksum: 1");
}

proptest! {
    /// Whatever a client names in `Connection`: the task gets the router's fields, and none of the connection's.
    #[test]
    fn a_client_takes_nothing_away_and_adds_nothing(
        options in proptest::collection::vec(
            prop_oneof!["close", "x-forwarded-(for|proto|host|port)", "X-Real-Ip", "x-request-id", "host", "forwarded", "te", "[a-z]{1,5}", "[ -~]{0,6}"],
            0..5,
        ),
        more in proptest::collection::vec(prop_oneof!["upgrade", "keep-alive", "x_forwarded_for", "X-Forwarded-[A-Z]{1,3}", "forwarded"], 0..4),
    ) {
        let mut headers = fields("host: a");
        for option in options {
            headers.append(CONNECTION, option.parse().unwrap());
        }
        for name in more {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), "forged".parse().unwrap());
        }
        let checked = checked("GET", "/", Version::HTTP_11, &headers).unwrap();
        let origin = prepare_request(&mut headers, &checked, &downstream(), &Policy::default(), 0xab);
        let id = format!("{:032x}", 0xab);
        prop_assert_eq!(text(&headers), format!(
            "host: a\nx-forwarded-for: 192.0.2.1\nx-forwarded-host: a\nx-forwarded-port: 80\nx-forwarded-proto: http\n\
             x-real-ip: 192.0.2.1\nx-request-id: {id}"
        ));
        prop_assert_eq!(origin.client, IpAddr::from([192, 0, 2, 1]));
        prop_assert_eq!(origin.request_id, id);
    }
}
