use super::*;

#[test]
fn labels_of_traefik_1_are_answered_with_those_of_3() {
    for (label, instead) in [
        (
            "traefik.port=80",
            "traefik.http.services.shop.loadbalancer.server.port=80",
        ),
        (
            "traefik.api.port=80",
            "traefik.http.services.api.loadbalancer.server.port=80",
        ),
        (
            "traefik.protocol=https",
            "traefik.http.services.shop.loadbalancer.server.scheme=https",
        ),
        (
            "traefik.frontend.rule=Host:a.example.com,b.example.com;PathPrefixStrip:/x",
            "traefik.http.routers.shop.rule=(Host(`a.example.com`) || Host(`b.example.com`)) && PathPrefix(`/x`)",
        ),
        (
            "traefik.frontend.entryPoints=http",
            "traefik.http.routers.shop.entrypoints=http",
        ),
        (
            "traefik.frontend.priority=3",
            "traefik.http.routers.shop.priority=3",
        ),
        (
            "traefik.backend=x",
            "traefik.http.routers.shop.service=shop, or nothing",
        ),
        (
            "traefik.frontend.auth.basic.users=a:b",
            "traefik.http.middlewares.shop.basicauth.users=a:b and traefik.http.routers.shop.middlewares=shop",
        ),
    ] {
        let name = label.split('=').next().unwrap();
        let expected = format!("label {name}: it is of Traefik 1: write {instead}");
        assert!(
            problems(label).contains(&expected),
            "{label}: {:?}",
            problems(label)
        );
    }
}

/// What it says to write is understood.
#[test]
fn the_rule_that_is_advised_is_one() {
    let advised = problems("traefik.frontend.rule=HostRegexp:{any:.+}.example.com;Path:/a,/b");
    let (_, rule) = advised[0].split_once(".rule=").unwrap();
    rule.parse::<crate::rule::Rule>().unwrap();
}
