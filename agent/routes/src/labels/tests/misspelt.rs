//! Values that nobody understands, of labels that let clients in or keep them out.

use super::*;
use proptest::sample::select;

const TRAEFIK: &str = "traefik.http.routers.x.rule=Host(`a.test`)
    traefik.http.routers.x.entrypoints=web,websecure
    traefik.http.services.x.loadbalancer.server.port=80";
const BEHIND_M: &str = "traefik.http.routers.x.rule=Host(`a.test`)
    traefik.http.routers.x.entrypoints=web,websecure
    traefik.http.routers.x.middlewares=m
    traefik.http.services.x.loadbalancer.server.port=80";
const PROTECTED: &str = "traefik.http.routers.x.rule=Host(`a.test`)
    traefik.http.services.x.loadbalancer.server.port=80
    traefik.http.middlewares.m.basicauth.users=ann:{SHA}x";
const INTERLOCK: &str = "com.docker.lb.hosts=a.test
    com.docker.lb.port=80";

/// Labels of a service, one more label, and a value of that which is understood.
const CASES: [(&str, &str, &str); 12] = [
    (TRAEFIK, "traefik.enable", "false"),
    (TRAEFIK, "traefik.http.routers.x.tls", "true"),
    (
        TRAEFIK,
        "traefik.http.routers.x.entrypoints",
        "web,websecure",
    ),
    (TRAEFIK, "traefik.http.routers.x.rule", "Host(`a.test`)"),
    (TRAEFIK, "traefik.http.routers.x.service", "x"),
    (PROTECTED, "traefik.http.routers.x.middlewares", "m"),
    (
        BEHIND_M,
        "traefik.http.middlewares.m.redirectscheme.scheme",
        "https",
    ),
    (
        BEHIND_M,
        "traefik.http.middlewares.m.ipallowlist.sourcerange",
        "192.0.2.0/24",
    ),
    (INTERLOCK, "com.docker.lb.ssl_only", "true"),
    (INTERLOCK, "com.docker.lb.ssl_passthrough", "true"),
    (INTERLOCK, "com.docker.lb.context_root", "/app"),
    (INTERLOCK, "com.docker.lb.default_backend", "false"),
];

/// Words that one of these labels understands, in small letters.
const UNDERSTOOD: [&str; 10] = [
    "t",
    "f",
    "true",
    "false",
    "http",
    "https",
    "web",
    "websecure",
    "m",
    "x",
];

/// The rules of the routes by which any client gets to a task, and whether by TLS.
fn open(text: &str) -> Vec<(String, bool)> {
    let mut open = Vec::new();
    for route in of(text).routes {
        let kept_out = |tls: bool| {
            route.filters.iter().any(|filter| match filter {
                Filter::Closed(_) | Filter::BasicAuth(_) | Filter::AllowClients(_) => true,
                Filter::Redirect(to) => to.https != tls,
                _ => false,
            })
        };
        for (served, tls) in [
            (route.entry_points.http, false),
            (route.entry_points.https, true),
        ] {
            if served && !kept_out(tls) {
                open.push((route.rule.to_string(), tls));
            }
        }
    }
    open
}

proptest! {
    #[test]
    fn a_value_that_is_not_understood_lets_in_no_more_than_one_that_is(
        (labels, label, right) in select(CASES.to_vec()),
        wrong in "[a-zA-Z?]{1,9}",
    ) {
        prop_assume!(!UNDERSTOOD.contains(&wrong.to_lowercase().as_str()));
        // Of two lines with one label, the later one counts.
        let with = |value: &str| open(&format!("{labels}\n{label}={value}"));
        let (wrongly, rightly) = (with(&wrong), with(right));
        for route in &wrongly {
            prop_assert!(rightly.contains(route), "{label}={wrong} opens {route:?}");
        }
    }
}

/// Those that people write.
#[test]
fn switches_in_other_words_let_in_no_more_than_they_are_to() {
    for (labels, label, right) in CASES {
        let rightly = open(&format!("{labels}\n{label}={right}"));
        for wrong in ["yes", "no", "on", "off", "maybe", "disabled", "HTTPS"] {
            let text = format!("{labels}\n{label}={wrong}");
            let wrongly = open(&text);
            let more = wrongly.iter().find(|route| !rightly.contains(route));
            assert_eq!(more, None, "{label}={wrong}");
        }
        let named = problems(&format!("{labels}\n{label}=maybe?"));
        let prefix = format!("label {label}: ");
        assert!(named.iter().any(|it| it.starts_with(&prefix)), "{named:?}");
    }
}
