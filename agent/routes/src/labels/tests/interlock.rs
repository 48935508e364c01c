use super::*;
use crate::path::NormalPath;
use crate::route::{BackendMode, Balance, EntryPoints, Redirect, Scheme, Secrets};

const SHOP: &str = "com.docker.lb.hosts=shop.example.com
    com.docker.lb.port=8080";

/// The one route of the labels, beside those of `SHOP`, that are all served.
fn route(more: &str) -> Route {
    let declared = of(&format!("{SHOP}\n{more}"));
    assert_eq!(declared.problems, []);
    let [route] = &declared.routes[..] else {
        panic!("{declared:?}")
    };
    route.clone()
}

#[test]
fn each_host_has_a_route_on_both_ports() {
    let hosts = "com.docker.lb.hosts=a.example.com, *.b.example.com
        com.docker.lb.port=8080
        com.docker.lb.network=back";
    let expected = [
        ("a.example.com", "Host(`a.example.com`)"),
        ("*.b.example.com", "Host(`*.b.example.com`)"),
    ];
    let expected = expected.map(|(name, rule)| (name.to_owned(), rule.to_owned(), 8080));
    assert_eq!(served(hosts), expected);
    let both = EntryPoints {
        http: true,
        https: true,
    };
    assert_eq!(route("").entry_points, both);
}

#[test]
fn a_context_root_is_a_prefix_and_goes_where_it_is_rewritten() {
    let rooted = route("com.docker.lb.context_root=/app");
    assert_eq!(
        rooted.rule.to_string(),
        "Host(`shop.example.com`) && PathPrefix(`/app`)"
    );
    assert_eq!(rooted.filters, []);
    let rewritten =
        route("com.docker.lb.context_root=/app/\ncom.docker.lb.context_root_rewrite=true");
    assert_eq!(
        rewritten.filters,
        [Filter::StripPrefix(vec![NormalPath::of("/app/").unwrap()])]
    );
}

#[test]
fn tls_is_by_secrets_alone_or_passed_through() {
    let secrets = route("com.docker.lb.ssl_cert=shop.cert\ncom.docker.lb.ssl_key=shop.key");
    let expected = Secrets {
        certificate: "shop.cert".to_owned(),
        key: "shop.key".to_owned(),
    };
    assert_eq!(secrets.tls.secrets, Some(expected));
    let only = route("com.docker.lb.ssl_only=true");
    let redirect = Filter::Redirect(Redirect {
        https: true,
        port: None,
        permanent: false,
    });
    assert_eq!(only.filters, [redirect]);
    let through = route("com.docker.lb.ssl_passthrough=true\ncom.docker.lb.ssl_only=true");
    assert!(through.tls.passthrough && !through.entry_points.http && through.entry_points.https);
    assert_eq!(through.filters, []);
}

#[test]
fn tasks_are_spoken_to_and_chosen_as_labels_say() {
    let of_service = |more| tasks(&route(more).target).clone();
    let usual = of_service("com.docker.lb.websocket_endpoints=/ws");
    assert_eq!(
        (usual.scheme, usual.balance, usual.mode),
        (Scheme::Http, Balance::LeastLoaded, BackendMode::Task)
    );
    assert!(usual.pass_host);
    assert_eq!(
        of_service("com.docker.lb.ssl_backend=true").scheme,
        Scheme::Https { verify: true }
    );
    let unverified =
        of_service("com.docker.lb.ssl_backend=true\ncom.docker.lb.ssl_backend_tls_verify=none");
    assert_eq!(unverified.scheme, Scheme::Https { verify: false });
    assert_eq!(
        of_service("com.docker.lb.ip_hash=true").balance,
        Balance::ClientAddress
    );
    let sticky = of_service("com.docker.lb.sticky_session_cookie=JSESSIONID");
    assert_eq!(sticky.balance, Balance::AppCookie("JSESSIONID".to_owned()));
    assert_eq!(
        of_service("com.docker.lb.backend_mode=vip").mode,
        BackendMode::Vip
    );
}

#[test]
fn redirects_are_routes_and_a_default_backend_answers_what_no_other_does() {
    let labels = "com.docker.lb.port=80
        com.docker.lb.default_backend=true
        com.docker.lb.redirects=http://old.example.com,http://new.example.com/;a.example.com,b.example.com";
    let declared = of(labels);
    assert_eq!(declared.problems, []);
    let seen: Vec<_> = declared
        .routes
        .iter()
        .map(|route| (route.rule.to_string(), route.priority, route.target.clone()))
        .collect();
    let [(everything, lowest, Target::Tasks(_)), old, other] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(
        (everything.as_str(), *lowest),
        ("PathPrefix(`/`)", Some(i64::MIN))
    );
    let elsewhere = |host: &str, to: &str| {
        let to = Target::Elsewhere(to.to_owned());
        (format!("Host(`{host}`)"), None, to)
    };
    assert_eq!(*old, elsewhere("old.example.com", "http://new.example.com"));
    assert_eq!(*other, elsewhere("a.example.com", "http://b.example.com"));
}

/// Found by the fuzzer: two routes of one name were in the order in which they came.
#[test]
fn a_host_that_is_named_twice_has_one_route() {
    let labels = "com.docker.lb.port=80
        com.docker.lb.hosts=a.b,a.b
        com.docker.lb.redirects=c.d,e;c.d,f";
    let declared = of(labels);
    let names: Vec<&str> = declared
        .routes
        .iter()
        .map(|route| route.name.as_str())
        .collect();
    assert_eq!(names, ["a.b", "redirect c.d"]);
    let twice = ["a.b", "redirect c.d"].map(|name| {
        format!("label com.docker.lb.… ({name}): it is declared twice: the first one is served")
    });
    assert_eq!(problems(labels), twice);
}

/// Ports of the routes of these redirects, with `hosts=a.b`.
fn ports(redirects: &str) -> Vec<(String, bool, bool)> {
    let declared = of(&format!(
        "com.docker.lb.port=80\ncom.docker.lb.hosts=a.b\ncom.docker.lb.redirects={redirects}"
    ));
    let ports = declared.routes.into_iter().map(|route| {
        let on = route.entry_points;
        (route.name, on.http, on.https)
    });
    ports.collect()
}

#[test]
fn a_host_is_redirected_where_that_leads_elsewhere_and_served_where_it_does_not() {
    let name = |name: &str, http, https| (name.to_owned(), http, https);
    assert_eq!(ports("A.B,c.d"), [name("redirect A.B", true, true)]);
    for to in ["https://a.b", "https://A.b:443/", "https://a.b/x"] {
        let expected = [name("a.b", false, true), name("redirect a.b", true, false)];
        assert_eq!(ports(&format!("http://a.b,{to}")), expected, "{to}");
    }
    let back = [name("a.b", true, false), name("redirect a.b", false, true)];
    assert_eq!(ports("https://a.b,http://a.b"), back);
    // Another port is another place.
    assert_eq!(
        ports("a.b,http://a.b:8080"),
        [name("redirect a.b", true, true)]
    );
    // A star is not the hosts below it.
    let star = [name("a.b", true, true), name("redirect *.a.b", true, true)];
    assert_eq!(ports("*.a.b,http://a.b"), star);
}

#[test]
fn what_is_missing_or_not_understood_is_named_and_the_rest_is_served() {
    assert_eq!(
        problems("com.docker.lb.hosts=a"),
        ["label com.docker.lb.port: it is missing: the port on which the tasks listen"]
    );
    assert_eq!(
        problems("com.docker.lb.port=80"),
        ["label com.docker.lb.hosts: it is missing: the hosts of the service, separated by commas"]
    );
    let labels = "com.docker.lb.hosts=a.example.com,b c
        com.docker.lb.port=80
        com.docker.lb.contextroot=/x
        com.docker.lb.backend_mode=both
        com.docker.lb.ssl_cert=cert
        com.docker.lb.redirects=a
        com.docker.lb.service_cluster=one
        com.docker.lb.ssl_only=perhaps";
    assert_eq!(of(labels).routes.len(), 1);
    assert_eq!(
        problems(labels),
        [
            "label com.docker.lb.backend_mode: \"both\" is not understood: write task or vip",
            "label com.docker.lb.contextroot: it is not known: did you mean com.docker.lb.context_root?",
            "label com.docker.lb.hosts: \"b c\" is not understood: write hosts such as example.com or *.example.com",
            "label com.docker.lb.redirects: \"a\" is not understood: write FROM,TO, and others after a semicolon",
            "label com.docker.lb.service_cluster: it is not served: every node serves every service",
            "label com.docker.lb.ssl_key: it is missing: a certificate and its key are two secrets",
            "label com.docker.lb.ssl_only: \"perhaps\" is not understood: write true or false",
        ]
    );
}
