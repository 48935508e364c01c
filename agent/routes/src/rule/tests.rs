use super::*;
use crate::path::NormalPath;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use std::net::IpAddr;

mod properties;
mod refused;

fn rule(text: &str) -> Rule {
    text.parse().unwrap()
}

/// A request by its line: `GET example.com/path?query`, with fields and the client's address.
fn asked(line: &str, fields: &[(&str, &str)], client: &str, rule: &Rule) -> bool {
    let (method, url) = line.split_once(' ').unwrap();
    let (authority, rest) = url.split_at(url.find('/').unwrap());
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let headers: HeaderMap = fields
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    rule.matches(&Request {
        host: &Host::of(authority).unwrap(),
        path: &NormalPath::of(path).unwrap(),
        query,
        method: &Method::from_bytes(method.as_bytes()).unwrap(),
        headers: &headers,
        client: client.parse::<IpAddr>().unwrap(),
    })
}

/// Does a rule take a `GET` of this URL?
fn takes(text: &str, url: &str) -> bool {
    asked(&format!("GET {url}"), &[], "203.0.113.9", &rule(text))
}

#[test]
fn a_host_is_one_whatever_its_letters_its_port_and_its_final_dot() {
    for url in [
        "example.com/",
        "EXAMPLE.com:8443/",
        "example.com./",
        "example.com:/",
    ] {
        assert!(takes("Host(`Example.com`)", url), "{url}");
    }
    for url in ["www.example.com/", "example.com.evil.test/", "example.co/"] {
        assert!(!takes("Host(`example.com`)", url), "{url}");
    }
    assert!(takes("Host(`192.0.2.7`)", "192.0.2.7:80/"));
    assert!(takes(
        "Host(`2001:db8::1`) || Host(`[2001:DB8::1]`)",
        "[2001:db8:0::1]:80/"
    ));
}

#[test]
fn what_is_no_host_is_none() {
    let long = "a".repeat(254);
    for bad in [
        "",
        ".",
        "a b",
        "a/b",
        "a..b",
        "a:b",
        "a:99999",
        "[::1",
        "[::1]x",
        "[a]",
        "é.example",
        "a@b",
        &long,
    ] {
        assert_eq!(Host::of(bad), None, "{bad}");
    }
}

#[test]
fn an_asterisk_stands_for_hosts_below_of_any_depth() {
    for (url, expected) in [
        ("a.example.com/", true),
        ("a.b.example.com/", true),
        ("example.com/", false),
        (".example.com/", false),
        ("aexample.com/", false),
    ] {
        let there = Host::of(url.trim_end_matches('/')).is_some();
        assert_eq!(
            there && takes("Host(`*.example.com`)", url),
            expected,
            "{url}"
        );
    }
}

#[test]
fn paths_are_compared_whole_by_their_beginning_or_by_expression() {
    for (text, path, expected) in [
        ("Path(`/a`)", "/a", true),
        ("Path(`/a`)", "/a/", false),
        ("PathPrefix(`/a`)", "/a/b", true),
        ("PathPrefix(`/a`)", "/ab", true),
        ("PathPrefix(`/a`)", "/A", false),
        ("PathRegexp(`^/a/[0-9]{2}$`)", "/a/12", true),
        ("PathRegexp(`^/a/[0-9]{2}$`)", "/a/123", false),
        ("PathRegexp(`b`)", "/abc", true),
        // Version 2.
        ("Path(`/a`, `/b`)", "/b", true),
        ("Path(`/a/{id:[0-9]{2}}/x`)", "/a/12/x", true),
        ("Path(`/a/{id:[0-9]{2}}/x`)", "/a/12/x/y", false),
        ("PathPrefix(`/a/{id}/`)", "/a/b.c/d", true),
        ("PathPrefix(`/a/{id}/`)", "/a//d", false),
    ] {
        let url = format!("example.com{path}");
        assert_eq!(takes(text, &url), expected, "{text} {path}");
    }
}

#[test]
fn hosts_by_expression_in_both_versions() {
    for (text, host, expected) in [
        (
            "HostRegexp(`^[a-z]+[.]example[.]com$`)",
            "www.example.com",
            true,
        ),
        (
            "HostRegexp(`^[a-z]+[.]example[.]com$`)",
            "www2.example.com",
            false,
        ),
        (
            "HostRegexp(`{sub:[a-z]+}.example.com`)",
            "www.example.com",
            true,
        ),
        (
            "HostRegexp(`{sub:[a-z]+}.example.com`)",
            "wwwxexample.com",
            false,
        ),
        ("HostRegexp(`{any}.example.com`)", "a.b.example.com", false),
        ("HostRegexp(`x{2}`)", "axxb", true),
    ] {
        assert_eq!(takes(text, &format!("{host}/")), expected, "{text} {host}");
    }
}

#[test]
fn fields_queries_methods_and_clients_are_compared() {
    let fields = [("X-Kind", "a"), ("x-kind", "b")];
    for (text, expected) in [
        ("Header(`x-kind`, `b`)", true),
        ("Header(`X-Kind`, `c`)", false),
        ("HeaderRegexp(`X-Kind`, `^[ab]$`)", true),
        ("Headers(`X-Kind`, `a`)", true),
        ("Query(`q`, `a b`)", true),
        ("Query(`q`, `a`)", false),
        ("Query(`empty`)", true),
        ("Query(`q`)", false),
        ("Query(`q=a b`, `n=1`)", true),
        ("Query(`q=a b`, `n=2`)", false),
        ("QueryRegexp(`n`, `^[0-9]+$`)", true),
        ("Method(`POST`)", true),
        ("Method(`GET`, `POST`)", true),
        ("Method(`GET`)", false),
        ("ClientIP(`203.0.113.0/24`)", true),
        ("ClientIP(`203.0.113.9`)", true),
        ("ClientIP(`2001:db8::/32`, `192.0.2.0/24`)", false),
    ] {
        let line = "POST example.com/?q=a+b&n=1&&empty";
        assert_eq!(
            asked(line, &fields, "203.0.113.9", &rule(text)),
            expected,
            "{text}"
        );
    }
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    let (a, b) = ("PathPrefix(`/a`)", "PathPrefix(`/b`)");
    for (text, url, expected) in [
        (format!("Host(`x`) || Host(`y`) && {a}"), "x/b", true),
        (format!("Host(`x`) || Host(`y`) && {a}"), "y/b", false),
        (format!("(Host(`x`) || Host(`y`)) && {a}"), "x/b", false),
        (format!("Host(`x`)&&!{a}"), "x/b", true),
        (format!("Host(`x`) && !({a} || {b})"), "x/b", false),
        (format!("Host(`x`) && ! ! {a}"), "x/a", true),
    ] {
        assert_eq!(takes(&text, url), expected, "{text} {url}");
    }
}
