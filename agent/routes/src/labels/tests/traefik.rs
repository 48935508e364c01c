use super::*;
use crate::route::{Balance, Cookie, EntryPoints, SameSite, Scheme};

/// One router, `x`, and one service with a port; and these settings of the router.
fn router(more: &str) -> String {
    format!(
        "traefik.http.routers.x.rule=Host(`shop.example.com`)
         traefik.http.services.x.loadbalancer.server.port=8080
         {more}"
    )
}

/// The one route of labels that are all served.
fn route(labels: &str) -> Route {
    let declared = of(labels);
    assert_eq!(declared.problems, []);
    let [route] = &declared.routes[..] else {
        panic!("{declared:?}")
    };
    route.clone()
}

#[test]
fn labels_of_a_usual_stack_are_a_route() {
    let labels = router(
        "traefik.enable=true
         traefik.docker.network=public
         traefik.constraint-label=public
         traefik.http.routers.x.entrypoints=web",
    );
    let route = route(&labels);
    assert_eq!(route.rule.to_string(), "Host(`shop.example.com`)");
    assert_eq!(route.priority, None);
    assert!(route.entry_points.http && !route.entry_points.https);
    // Labels are written in any letters.
    let other = labels.replace("traefik.http.routers.x.rule", "Traefik.HTTP.Routers.x.Rule");
    assert_eq!(self::route(&other), route);
}

#[test]
fn without_a_router_or_a_rule_the_services_name_is_the_host() {
    let port = "traefik.http.services.web.loadbalancer.server.port=80";
    let expected = [("web".to_owned(), "Host(`shop`)".to_owned(), 80)];
    assert_eq!(served(port), expected);
    let expected = [("x".to_owned(), "Host(`shop`)".to_owned(), 80)];
    assert_eq!(
        served(&format!("{port}\ntraefik.http.routers.x.entrypoints=web")),
        expected
    );
    assert_eq!(
        of(&format!("{port}\ntraefik.enable=false")),
        Declared::default()
    );
    assert_eq!(
        problems("traefik.enable=true"),
        [
            "label traefik.http.services.shop.loadbalancer.server.port: it is missing: the port on which the tasks listen"
        ]
    );
}

#[test]
fn entry_points_are_ports_and_tls_is_spoken_on_one() {
    let points = |more: &str| route(&router(more)).entry_points;
    let (http, https) = (|more| points(more).http, |more| points(more).https);
    let named = |names: &str| format!("traefik.http.routers.x.entrypoints={names}");
    assert_eq!((http(""), https("")), (true, false));
    let tls = "traefik.http.routers.x.tls=true";
    assert_eq!((http(tls), https(tls)), (false, true));
    let both = named("web,websecure");
    assert_eq!((http(&both), https(&both)), (true, true));
    let with = format!("{both}\ntraefik.http.routers.x.tls=true");
    assert_eq!((http(&with), https(&with)), (false, true));
    let numbers = named("http, HTTPS");
    assert_eq!(
        points(&numbers),
        EntryPoints {
            http: true,
            https: true
        }
    );
    let metrics = of(&router(&named("metrics")));
    assert_eq!(metrics.routes, []);
    assert_eq!(
        metrics.problems[0].to_string(),
        "label traefik.http.routers.x.entrypoints: \"metrics\" is not understood: write web (port 80) or websecure (port 443)"
    );
}

#[test]
fn of_several_services_a_router_names_one() {
    let two = "traefik.http.services.a.loadbalancer.server.port=81
        traefik.http.services.b.loadbalancer.server.port=82";
    let named = format!(
        "{two}
        traefik.http.routers.a.rule=Host(`a`)
        traefik.http.routers.a.service=a
        traefik.http.routers.b.rule=Host(`b`)
        traefik.http.routers.b.service=b@swarm"
    );
    let ports = served(&named)
        .into_iter()
        .map(|(name, _, port)| (name, port));
    assert_eq!(
        ports.collect::<Vec<_>>(),
        [("a".to_owned(), 81), ("b".to_owned(), 82)]
    );
    assert_eq!(
        problems(&format!("{two}\ntraefik.http.routers.x.rule=Host(`x`)")),
        [
            "label traefik.http.routers.x.service: it is missing: there are several services, and the router is for one of them"
        ]
    );
    assert_eq!(
        problems(&router("traefik.http.routers.x.service=api@internal")),
        ["label traefik.http.routers.x.service: no label declares the service \"api@internal\""]
    );
}

#[test]
fn tasks_are_spoken_to_and_chosen_as_labels_say() {
    let of_service = |more: &str| {
        let more = format!("traefik.http.services.x.loadbalancer.{more}");
        tasks(&route(&router(&more)).target).clone()
    };
    assert_eq!(of_service("server.scheme=h2c").scheme, Scheme::H2c);
    assert_eq!(
        of_service("server.scheme=https").scheme,
        Scheme::Https { verify: true }
    );
    assert!(!of_service("passhostheader=false").pass_host);
    assert_eq!(
        of_service("sticky.cookie=false").balance,
        Balance::LeastLoaded
    );
    let usual = Cookie {
        name: None,
        secure: false,
        http_only: false,
        same_site: None,
        path: "/".to_owned(),
        max_age_s: None,
    };
    assert_eq!(
        of_service("sticky.cookie=true").balance,
        Balance::Sticky(usual.clone())
    );
    let cookie = "traefik.http.services.x.loadbalancer.sticky.cookie";
    let all = format!(
        "sticky.cookie.name=sid
        {cookie}.secure=true
        {cookie}.httponly=true
        {cookie}.samesite=Lax
        {cookie}.path=/app
        {cookie}.maxage=60"
    );
    let expected = Cookie {
        name: Some("sid".to_owned()),
        secure: true,
        http_only: true,
        same_site: Some(SameSite::Lax),
        path: "/app".to_owned(),
        max_age_s: Some(60),
    };
    assert_eq!(of_service(&all).balance, Balance::Sticky(expected));
    for (strategy, balance) in [
        ("wrr", Balance::RoundRobin),
        ("p2c", Balance::LeastLoaded),
        ("hrw", Balance::ClientAddress),
    ] {
        assert_eq!(of_service(&format!("strategy={strategy}")).balance, balance);
    }
    let unknown = router("traefik.http.services.x.loadbalancer.strategy=leasttime");
    assert_eq!(
        problems(&unknown),
        [
            "label traefik.http.services.x.loadbalancer.strategy: \"leasttime\" is not understood: \
             write wrr, p2c or hrw"
        ]
    );
}

#[test]
fn priorities_are_numbers_and_none_is_0() {
    let priority =
        |text: &str| route(&router(&format!("traefik.http.routers.x.priority={text}"))).priority;
    assert_eq!(
        [priority("7"), priority("-1"), priority("0")],
        [Some(7), Some(-1), None]
    );
}

#[test]
fn what_is_not_served_is_named_and_the_rest_is_served() {
    let labels = router(
        "traefik.http.routers.x.tls.certresolver=le
         traefik.http.routers.x.rul=Host(`y`)
         traefik.http.services.x.loadbalancer.healthcheck.path=/
         traefik.http.services.x.weighted.services=y
         traefik.tcp.routers.y.rule=HostSNI(`*`)
         traefik.swarm.lbswarm=true
         traefik.foo=bar",
    );
    assert_eq!(of(&labels).routes.len(), 1);
    assert_eq!(
        problems(&labels),
        [
            "label traefik.foo: it is not known",
            "label traefik.http.routers.x.rul: it is not known: did you mean rule?",
            "label traefik.http.routers.x.tls.certresolver: it is not served: certificates come from secrets and from a directory",
            "label traefik.http.services.x.loadbalancer.healthcheck.path: it is not served: tasks are served while the engine says that they are healthy: use HEALTHCHECK",
            "label traefik.http.services.x.weighted.services: it is not served: weights and mirrors of services are declared in no label",
            "label traefik.swarm.lbswarm: it is not served: the router chooses among the tasks itself",
            "label traefik.tcp.routers.y.rule: it is not served: publish the port, and every node answers it without a router",
        ]
    );
    let rule = of(
        "traefik.http.routers.x.rule=Hots(`a`)\ntraefik.http.services.x.loadbalancer.server.port=80",
    );
    assert_eq!(rule.routes, []);
    assert_eq!(
        rule.problems[0].to_string(),
        "label traefik.http.routers.x.rule: rule, character 1: no matcher is called Hots: did you mean Host?"
    );
}
