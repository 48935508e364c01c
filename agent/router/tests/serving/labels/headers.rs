//! `traefik.http.middlewares.X.headers.*`: fields of requests and answers, HSTS, CORS.

use super::One;

/// `a.test` on both ports, with these settings of the middleware.
fn a(settings: &str) -> One {
    let settings = settings.replace("H.", "traefik.http.middlewares.m.headers.");
    One::with(&format!(
        "traefik.http.routers.a.rule=Host(`a.test`)
         traefik.http.routers.a.entrypoints=web,websecure
         traefik.http.routers.a.middlewares=m
         traefik.http.services.a.loadbalancer.server.port=18080
         {settings}"
    ))
}

#[test]
fn custom_request_headers_are_set_and_removed() {
    let one = a("H.customrequestheaders.X-Set=new value\nH.customrequestheaders.X-Gone=");
    let answer = one.ask("GET / a.test\nX-Set: old\nX-Gone: x\nX-Kept: k");
    assert_eq!(answer.seen("x-set"), ["new value"]);
    assert!(answer.seen("x-gone").is_empty());
    assert_eq!(answer.seen("x-kept"), ["k"]);
}

/// Applications are told so that they are behind TLS: the most usual use of the label.
#[test]
fn custom_request_headers_may_be_those_of_the_router() {
    let one =
        a("H.customrequestheaders.X-Forwarded-Proto=https\nH.customrequestheaders.Host=other.test");
    let answer = one.ask("GET / a.test");
    assert_eq!(answer.seen("x-forwarded-proto"), ["https"]);
    assert_eq!(answer.seen("host"), ["other.test"]);
}

#[test]
fn custom_response_headers_are_set_and_removed() {
    let one = a(
        "H.customresponseheaders.X-Set=v\nH.customresponseheaders.X-Task=\nH.customresponseheaders.Content-Length=1",
    );
    let answer = one.ask("GET / a.test");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("x-set"), ["v"]);
    assert!(answer.field("x-task").is_empty());
    // What says where a message ends is nobody's to set.
    assert_eq!(
        answer.field("content-length"),
        [answer.body.len().to_string()]
    );
}

#[test]
fn fields_of_answers_are_set_also_where_the_router_answers() {
    let nobody = "traefik.http.routers.a.rule=Host(`a.test`)
         traefik.http.routers.a.middlewares=m
         traefik.http.services.a.loadbalancer.server.port=18079
         traefik.http.middlewares.m.headers.framedeny=true";
    let answer = One::with(nobody).ask("GET / a.test");
    assert_eq!(answer.status, 502);
    assert_eq!(answer.field("x-frame-options"), ["DENY"]);
}

#[test]
fn switches_and_values_become_fields_of_the_answer() {
    for (settings, field, value) in [
        ("framedeny=true", "x-frame-options", "DENY"),
        (
            "customframeoptionsvalue=SAMEORIGIN",
            "x-frame-options",
            "SAMEORIGIN",
        ),
        (
            "framedeny=true\nH.customframeoptionsvalue=SAMEORIGIN",
            "x-frame-options",
            "SAMEORIGIN",
        ),
        (
            "contenttypenosniff=true",
            "x-content-type-options",
            "nosniff",
        ),
        ("browserxssfilter=true", "x-xss-protection", "1; mode=block"),
        ("custombrowserxssvalue=0", "x-xss-protection", "0"),
        (
            "browserxssfilter=true\nH.custombrowserxssvalue=0",
            "x-xss-protection",
            "0",
        ),
        (
            "contentsecuritypolicy=default-src 'self'",
            "content-security-policy",
            "default-src 'self'",
        ),
        (
            "contentsecuritypolicyreportonly=img-src *",
            "content-security-policy-report-only",
            "img-src *",
        ),
        (
            "referrerpolicy=same-origin",
            "referrer-policy",
            "same-origin",
        ),
        (
            "permissionspolicy=camera=()",
            "permissions-policy",
            "camera=()",
        ),
    ] {
        let one = a(&format!("H.{settings}"));
        assert_eq!(one.ask("GET / a.test").field(field), [value], "{settings}");
    }
    let off = a("H.framedeny=false\nH.contenttypenosniff=false").ask("GET / a.test");
    assert!(off.field("x-frame-options").is_empty());
    assert!(off.field("x-content-type-options").is_empty());
}

#[test]
fn hsts_is_told_by_tls() {
    let one = a("H.stsseconds=31536000\nH.stsincludesubdomains=true\nH.stspreload=true");
    let told = one.ask_tls("GET / a.test");
    let field = "strict-transport-security";
    assert_eq!(
        told.field(field),
        ["max-age=31536000; includeSubDomains; preload"]
    );
    assert!(one.ask("GET / a.test").field(field).is_empty());
    let forced = a("H.stsseconds=60\nH.forcestsheader=true").ask("GET / a.test");
    assert_eq!(forced.field(field), ["max-age=60"]);
}

const CORS: &str = "H.accesscontrolalloworiginlist=https://one.test, https://two.test
    H.accesscontrolallowmethods=GET,PUT
    H.accesscontrolallowheaders=X-One, X-Two
    H.accesscontrolexposeheaders=X-Task
    H.accesscontrolallowcredentials=true
    H.accesscontrolmaxage=100
    H.addvaryheader=true";

#[test]
fn cors_answers_what_browsers_ask_before() {
    let one = a(CORS);
    let preflight = "OPTIONS / a.test
        Origin: https://two.test
        Access-Control-Request-Method: PUT";
    let answer = one.ask(preflight);
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    for (field, value) in [
        ("allow-origin", "https://two.test"),
        ("allow-methods", "GET,PUT"),
        ("allow-headers", "X-One,X-Two"),
        ("allow-credentials", "true"),
        ("max-age", "100"),
    ] {
        let field = format!("access-control-{field}");
        assert_eq!(answer.field(&field), [value], "{field}");
    }
    let stranger = one.ask(&preflight.replace("two.test", "three.test"));
    assert!(stranger.field("access-control-allow-origin").is_empty());
    // Any other OPTIONS is the task's.
    one.serves("OPTIONS / a.test\nOrigin: https://two.test");
}

#[test]
fn cors_says_who_may_read_an_answer() {
    let one = a(CORS);
    let answer = one.ask("GET / a.test\nOrigin: https://one.test");
    assert_eq!(answer.task(), one.task.key);
    assert_eq!(
        answer.field("access-control-allow-origin"),
        ["https://one.test"]
    );
    assert_eq!(answer.field("access-control-expose-headers"), ["X-Task"]);
    assert_eq!(answer.field("access-control-allow-credentials"), ["true"]);
    assert_eq!(answer.field("vary"), ["Origin"]);
    let stranger = one.ask("GET / a.test\nOrigin: https://three.test");
    assert!(stranger.field("access-control-allow-origin").is_empty());
    let any = a("H.accesscontrolalloworiginlist=*").ask("GET / a.test\nOrigin: https://x.test");
    assert_eq!(any.field("access-control-allow-origin"), ["*"]);
    let by_regex = a(r"H.accesscontrolalloworiginlistregex=^https://[a-z]+\.one\.test$");
    for (origin, allowed) in [("https://x.one.test", 1), ("https://x.one.test.evil", 0)] {
        let answer = by_regex.ask(&format!("GET / a.test\nOrigin: {origin}"));
        assert_eq!(
            answer.field("access-control-allow-origin").len(),
            allowed,
            "{origin}"
        );
    }
}
