//! Requests of other sites.

use super::*;

const SITES: &str = "headers.accesscontrolalloworiginlist=https://one.example,https://two.example
    +headers.accesscontrolalloworiginlistregex=^https://[a-z]+[.]dev$
    +headers.accesscontrolallowmethods=GET,PUT
    +headers.accesscontrolallowheaders=X-A,X-B
    +headers.accesscontrolexposeheaders=X-C
    +headers.accesscontrolmaxage=60
    +headers.accesscontrolallowcredentials=true
    +headers.addvaryheader=true";

/// The fields of the answer to a request of this method and site.
fn preflight(method: Method, origin: &str) -> Option<HeaderMap> {
    let headers = fields(&[("origin", origin), ("access-control-request-method", "PUT")]);
    let answer = Sent {
        method,
        headers,
        ..Sent::default()
    }
    .answer(&filters(SITES))?;
    assert_eq!(answer.status.as_u16(), 200);
    Some(answer.headers)
}

#[test]
fn a_preflight_request_is_answered_for_the_task() {
    let allowed = preflight(Method::OPTIONS, "https://two.example").unwrap();
    let expected = [
        ("access-control-allow-origin", "https://two.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET,PUT"),
        ("access-control-allow-headers", "X-A,X-B"),
        ("access-control-max-age", "60"),
    ];
    assert_eq!(allowed, fields(&expected));
    let origin = |site| {
        let headers = preflight(Method::OPTIONS, site).unwrap();
        field(&headers, "access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(origin("https://x.dev").as_deref(), Some("https://x.dev"));
    assert_eq!(origin("https://x.dev.evil"), None);
    assert_eq!(origin("null"), None);
    assert_eq!(preflight(Method::PUT, "https://one.example"), None);
}

#[test]
fn options_that_are_no_preflight_go_to_the_task() {
    for list in [
        vec![("origin", "https://one.example")],
        vec![("access-control-request-method", "PUT")],
    ] {
        let headers = fields(&list);
        let mut sent = Sent {
            method: Method::OPTIONS,
            headers,
            ..Sent::default()
        };
        assert_eq!(sent.answer(&filters(SITES)), None);
    }
}

/// The fields of a task's answer to a request of this site.
fn answered(settings: &str, origin: &str, answer: &[(&'static str, &str)]) -> HeaderMap {
    let filters = filters(settings);
    let headers = fields(&[("origin", origin)]);
    let mut sent = Sent {
        headers,
        ..Sent::default()
    };
    let mut chain = sent.chain(&filters);
    assert!(matches!(sent.run(&mut chain), Step::Continue));
    let mut headers = fields(answer);
    chain.respond(&mut headers);
    headers
}

#[test]
fn answers_say_which_site_may_read_them() {
    let own = [("access-control-allow-origin", "*"), ("vary", "accept")];
    let allowed = answered(SITES, "https://one.example", &own);
    let expected = [
        ("access-control-allow-origin", "https://one.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "X-C"),
        ("vary", "accept"),
        ("vary", "Origin"),
    ];
    assert_eq!(allowed, fields(&expected));
    let other = answered(SITES, "https://evil.example", &[("vary", "Accept, origin")]);
    assert_eq!(field(&other, "access-control-allow-origin"), None);
    assert_eq!(other.get_all("vary").iter().count(), 1);
}

#[test]
fn any_site_is_said_as_an_asterisk() {
    let any = "headers.accesscontrolalloworiginlist=*";
    let headers = answered(any, "https://one.example", &[]);
    assert_eq!(headers, fields(&[("access-control-allow-origin", "*")]));
}
