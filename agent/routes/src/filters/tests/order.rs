//! Filters one by one, and one after the other.

use super::*;
use crate::route::{HeaderChange, Hsts};
use http::HeaderName;
use proptest::prelude::*;

#[test]
fn clients_of_other_networks_are_refused() {
    let filters = filters("ipallowlist.sourcerange=192.0.2.0/24, 2001:db8::/32");
    for (client, status) in [
        ("192.0.2.1", None),
        ("::ffff:192.0.2.9", None),
        ("2001:db8::1", None),
        ("192.0.3.1", Some(403)),
        ("2001:db9::1", Some(403)),
    ] {
        let answer = Sent {
            client,
            ..Sent::default()
        }
        .answer(&filters);
        assert_eq!(answer.map(|it| it.status.as_u16()), status, "{client}");
    }
}

#[test]
fn a_closed_route_answers_nobody() {
    let closed = [Filter::Closed("not understood".to_owned())];
    let answer = Sent::default().answer(&closed).unwrap();
    assert_eq!(answer.status.as_u16(), 403);
    assert!(!answer.body.contains("not understood"), "{}", answer.body);
    let mut sent = Sent::default();
    let mut chain = sent.chain(&closed);
    assert!(matches!(sent.run(&mut chain), Step::Answer(_)));
    assert_eq!(chain.stopped_at(), Some(&closed[0]));
}

#[test]
fn a_redirect_leads_to_the_other_scheme_and_not_in_circles() {
    let filters = filters("redirectscheme.scheme=https\n+redirectscheme.permanent=true");
    let answer = Sent {
        path: "/x",
        ..Sent::default()
    }
    .answer(&filters)
    .unwrap();
    assert_eq!(answer.status.as_u16(), 301);
    assert_eq!(field(&answer.headers, "location"), Some("https://a/x?q=1"));
    let tls = Sent {
        https: true,
        ..Sent::default()
    }
    .answer(&filters);
    assert_eq!(tls, None);
}

#[test]
fn a_prefix_is_taken_off_and_told() {
    let filters = filters("stripprefix.prefixes=/api,/app\nstripprefix.prefixes=/v1");
    for (path, left, told) in [
        ("/app/v1/x%2Fy", "/x%2Fy", vec!["/app", "/v1"]),
        ("/app/x", "/x", vec!["/app"]),
        ("/app", "/", vec!["/app"]),
        ("/v1/app", "/app", vec!["/v1"]),
        ("/apple", "/apple", vec![]),
        ("/app/../apple", "/apple", vec![]),
    ] {
        let mut sent = Sent {
            path,
            ..Sent::default()
        };
        let mut chain = sent.chain(&filters);
        assert!(matches!(sent.run(&mut chain), Step::Continue));
        assert_eq!(chain.path().as_str(), left);
        let uri = format!("http://a{path}?q=/app/").parse().unwrap();
        let target = chain.target(&uri).unwrap();
        assert_eq!(target.as_str(), format!("{left}?q=/app/"));
        let prefixes = sent.headers.get_all("x-forwarded-prefix").iter();
        let prefixes: Vec<&str> = prefixes.map(|it| it.to_str().unwrap()).collect();
        assert_eq!(prefixes, told, "{path}");
    }
}

#[test]
fn the_target_of_the_server_as_a_whole_stays_it() {
    let target = |uri: &str, path| {
        let chain = Sent {
            path,
            ..Sent::default()
        }
        .chain(&[]);
        let target = chain.target(&uri.parse().unwrap()).unwrap();
        target.as_str().to_owned()
    };
    assert_eq!(target("*", "/"), "*");
    assert_eq!(target("/", "/"), "/");
    assert_eq!(target("/?", "/"), "/?");
    assert_eq!(target("http://a", "/"), "/");
    assert_eq!(target("http://a?x=%2e", "/"), "/?x=%2e");
    assert_eq!(target("/b/../%61?x", "/a"), "/a?x");
}

#[test]
fn fields_are_set_and_removed_on_both_ways() {
    let filters = filters(
        "headers.customrequestheaders.X-A=new
        +headers.customrequestheaders.X-B=
        +headers.customresponseheaders.Server=
        +headers.customresponseheaders.X-C=new",
    );
    let headers = fields(&[("x-a", "1"), ("x-a", "2"), ("x-b", "3"), ("x-c", "4")]);
    let mut sent = Sent {
        headers,
        ..Sent::default()
    };
    let mut chain = sent.chain(&filters);
    assert!(matches!(sent.run(&mut chain), Step::Continue));
    assert_eq!(sent.headers, fields(&[("x-a", "new"), ("x-c", "4")]));
    let mut answer = fields(&[("server", "x"), ("x-c", "1"), ("x-c", "2"), ("x-b", "3")]);
    chain.respond(&mut answer);
    assert_eq!(answer, fields(&[("x-c", "new"), ("x-b", "3")]));
}

#[test]
fn no_label_changes_where_a_message_ends() {
    for name in [
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
    ] {
        let change = |value: Option<&'static str>| HeaderChange {
            name: HeaderName::from_static(name),
            value: value.map(http::HeaderValue::from_static),
        };
        for change in [change(Some("1")), change(None)] {
            let filters = [Filter::Request(change.clone()), Filter::Response(change)];
            let mut sent = Sent {
                headers: fields(&[(name, "0")]),
                ..Sent::default()
            };
            let mut chain = sent.chain(&filters);
            assert!(matches!(sent.run(&mut chain), Step::Continue));
            let mut answer = fields(&[(name, "0")]);
            chain.respond(&mut answer);
            assert_eq!(
                (field(&sent.headers, name), field(&answer, name)),
                (Some("0"), Some("0"))
            );
        }
    }
}

#[test]
fn browsers_are_told_of_tls_where_they_came_by_it() {
    let told = |https, forced| {
        let hsts = Hsts {
            max_age_s: 31_536_000,
            subdomains: true,
            preload: forced,
            forced,
        };
        let filters = [Filter::Hsts(hsts)];
        let mut headers = HeaderMap::new();
        Sent {
            https,
            ..Sent::default()
        }
        .chain(&filters)
        .respond(&mut headers);
        field(&headers, "strict-transport-security").map(str::to_owned)
    };
    let value = "max-age=31536000; includeSubDomains";
    assert_eq!(told(true, false).as_deref(), Some(value));
    assert_eq!(told(false, false), None);
    assert_eq!(told(false, true), Some(format!("{value}; preload")));
}

#[test]
fn an_answer_passes_the_filters_before_it_and_the_first_one_last() {
    let filters = filters(
        "headers.customresponseheaders.X-Outer=1
        headers.customresponseheaders.X-Both=outer
        ipallowlist.sourcerange=10.0.0.0/8
        headers.customresponseheaders.X-Inner=1
        headers.customresponseheaders.X-Both=inner",
    );
    let refused = Sent::default().answer(&filters).unwrap().headers;
    assert_eq!(field(&refused, "x-outer"), Some("1"));
    assert_eq!(field(&refused, "x-both"), Some("outer"));
    assert_eq!(field(&refused, "x-inner"), None);
    let mut answer = HeaderMap::new();
    Sent::default().chain(&filters).respond(&mut answer);
    assert_eq!(field(&answer, "x-inner"), Some("1"));
    assert_eq!(field(&answer, "x-both"), Some("outer"));
}

proptest! {
    /// What the task gets is in normal form, and is the path that the rule saw behind the prefixes.
    #[test]
    fn the_task_gets_what_the_rule_saw(raw in "/([a-b./%]|%2[eEfF]|app/){0,12}") {
        let Ok(path) = NormalPath::of(&raw) else {
            return Ok(());
        };
        let filters = filters("stripprefix.prefixes=/app");
        let mut chain = Chain::new(&filters, path.clone(), false, &HeaderMap::new());
        let mut sent = Sent::default();
        prop_assert!(matches!(sent.run(&mut chain), Step::Continue));
        let target = chain.target(&raw.parse().unwrap()).unwrap();
        let normal = NormalPath::of(target.as_str()).unwrap();
        prop_assert_eq!(normal.as_str(), target.as_str());
        let prefix = field(&sent.headers, "x-forwarded-prefix").unwrap_or_default();
        let whole = format!("{prefix}{target}");
        prop_assert!(whole == path.as_str() || whole == format!("{path}/"), "{} {}", whole, path);
    }
}
