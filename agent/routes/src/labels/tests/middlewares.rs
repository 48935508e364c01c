use super::*;
use crate::path::NormalPath;
use crate::route::{Hsts, Redirect};
use crate::rule::TextPattern;

/// What a route with the middleware `m` has, which has these settings, and what is wrong with it.
fn with(settings: &str) -> (Vec<Filter>, Vec<String>) {
    let settings = settings
        .lines()
        .map(|line| format!("traefik.http.middlewares.m.{}", line.trim()));
    let settings: Vec<String> = settings.collect();
    let declared = of(&format!(
        "traefik.http.routers.x.middlewares=m
         traefik.http.services.x.loadbalancer.server.port=80
         {}",
        settings.join("\n")
    ));
    let problems = declared.problems.iter().map(ToString::to_string).collect();
    (declared.routes[0].filters.clone(), problems)
}

/// The filters of settings that are all served.
fn filters(settings: &str) -> Vec<Filter> {
    let (filters, problems) = with(settings);
    assert_eq!(problems, [""; 0]);
    filters
}

/// Is the route closed, and is it said?
fn closes(settings: &str) -> bool {
    let (filters, problems) = with(settings);
    let closed = matches!(filters[..], [Filter::Closed(_)]);
    closed && problems[0].ends_with("; until then the route answers nobody")
}

#[test]
fn middlewares_are_filters_in_the_order_of_the_router() {
    let labels = "traefik.http.routers.x.middlewares=strip@docker, secure
        traefik.http.services.x.loadbalancer.server.port=80
        traefik.http.middlewares.secure.redirectscheme.scheme=https
        traefik.http.middlewares.secure.redirectscheme.port=8443
        traefik.http.middlewares.secure.redirectscheme.permanent=true
        traefik.http.middlewares.strip.stripprefix.prefixes=/a,/b";
    let redirect = Redirect {
        https: true,
        port: Some(8443),
        permanent: true,
    };
    let declared = of(labels);
    assert_eq!(declared.problems, []);
    let strip = Filter::StripPrefix(
        ["/a", "/b"]
            .map(|path| NormalPath::of(path).unwrap())
            .into(),
    );
    assert_eq!(
        declared.routes[0].filters,
        [strip, Filter::Redirect(redirect)]
    );
}

#[test]
fn names_and_passwords_are_read_as_htpasswd_writes_them() {
    let [Filter::BasicAuth(auth)] = &filters(
        "basicauth.users=ann:$2y$05$abc,bob:$apr1$x$y
        basicauth.realm=shop
        basicauth.removeheader=true
        basicauth.headerfield=X-User",
    )[..] else {
        panic!("no authentication")
    };
    let names: Vec<_> = auth
        .users
        .iter()
        .map(|user| (&*user.name, &*user.digest))
        .collect();
    assert_eq!(names, [("ann", "$2y$05$abc"), ("bob", "$apr1$x$y")]);
    assert_eq!((&*auth.realm, auth.removes_header), ("shop", true));
    assert_eq!(auth.name_field.as_ref().unwrap(), "x-user");
    assert!(
        !format!("{auth:?}").contains("abc"),
        "digests are in no log"
    );
}

#[test]
fn what_keeps_strangers_out_and_is_not_understood_closes_the_route() {
    for settings in [
        "basicauth.users=ann:plain",
        "basicauth.users=ann",
        "basicauth.users=",
        "basicauth.usersfile=/users",
        "basicauth.users=ann:$2y$05$abc\nbasicauth.realms=x",
        "basicauth.users=ann:$$2y$$05$$abc",
        "redirectscheme.scheme=HTTPS",
        "redirectscheme.port=443",
        "ipallowlist.sourcerange=192.0.2.0/24,here",
        "ipwhitelist.ipstrategy.depth=1",
        "forwardauth.address=http://auth",
        "digestauth.users=a:b:c",
        "plugin.crowdsec.enabled=true",
        "chain.middlewares=a,b",
        "somethingnew.option=1",
    ] {
        assert!(closes(settings), "{settings}: {:?}", with(settings));
    }
    let (_, problems) = with("basicauth.users=ann:secret");
    assert!(!problems[0].contains("secret"), "{problems:?}");
    let undeclared = of("traefik.http.routers.x.middlewares=auth@file
        traefik.http.services.x.loadbalancer.server.port=80");
    assert!(matches!(
        undeclared.routes[0].filters[..],
        [Filter::Closed(_)]
    ));
    assert_eq!(
        undeclared.problems[0].to_string(),
        "label traefik.http.routers.x.middlewares: no label declares the middleware \"auth@file\"; until then the route answers nobody"
    );
}

#[test]
fn what_keeps_nobody_out_is_named_and_left_out() {
    for settings in [
        "compress=true",
        "retry.attempts=3",
        "ratelimit.average=10",
        "addprefix.prefix=/x",
    ] {
        let (filters, problems) = with(settings);
        assert_eq!(filters, [], "{settings}");
        assert!(
            problems[0].ends_with("requests pass without this middleware"),
            "{problems:?}"
        );
    }
}

#[test]
fn clients_of_other_networks_are_refused() {
    let networks =
        ["192.0.2.0/24", "203.0.113.9/32", "2001:db8::/32"].map(|network| network.parse().unwrap());
    let found = filters("ipallowlist.sourcerange=192.0.2.7/24, 203.0.113.9, 2001:db8::1/32");
    assert_eq!(found, [Filter::AllowClients(networks.into())]);
}

#[test]
fn header_fields_are_set_and_removed() {
    let changes = filters(
        "headers.customrequestheaders.X-Kind=a
        headers.customresponseheaders.Server=
        headers.framedeny=true
        headers.browserxssfilter=false
        headers.referrerpolicy=same-origin",
    );
    let shown: Vec<String> = changes
        .iter()
        .map(|filter| match filter {
            Filter::Request(change) => format!("> {} {:?}", change.name, change.value),
            Filter::Response(change) => format!("< {} {:?}", change.name, change.value),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "> x-kind Some(\"a\")",
        "< server None",
        "< referrer-policy Some(\"same-origin\")",
        "< x-frame-options Some(\"DENY\")",
    ];
    assert_eq!(shown, expected);
    let hsts = filters("headers.stsseconds=60\nheaders.stspreload=true");
    let expected = Hsts {
        max_age_s: 60,
        subdomains: false,
        preload: true,
        forced: false,
    };
    assert_eq!(hsts, [Filter::Hsts(expected)]);
}

#[test]
fn other_sites_may_ask_as_labels_say() {
    let [Filter::Cors(cors)] = &filters(
        "headers.accesscontrolalloworiginlist=https://a.example.com
        headers.accesscontrolalloworiginlistregex=^https://[a-z]+[.]b$
        headers.accesscontrolallowmethods=GET,PUT
        headers.accesscontrolmaxage=100
        headers.addvaryheader=true",
    )[..] else {
        panic!("no CORS")
    };
    let may = |origin: &str| cors.origins.iter().any(|pattern| pattern.matches(origin));
    assert!(may("https://a.example.com") && may("https://x.b") && !may("https://a.example.org"));
    assert!(matches!(
        cors.origins[..],
        [TextPattern::Exact(_), TextPattern::Regex(_)]
    ));
    assert_eq!(
        (&cors.methods[..], cors.max_age_s),
        (&["GET".to_owned(), "PUT".to_owned()][..], Some(100))
    );
    assert!(cors.vary && !cors.credentials);
}
