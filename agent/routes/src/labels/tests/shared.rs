//! Middlewares that several services use.

use super::*;

fn labels(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pairs = lines.map(|line| line.split_once('=').unwrap());
    pairs
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .collect()
}

/// A service that uses the middleware `to`, with more labels.
fn app(more: &str) -> BTreeMap<String, String> {
    labels(&format!(
        "traefik.http.routers.a.rule=Host(`a`)
         traefik.http.routers.a.middlewares=to@docker
         traefik.http.services.a.loadbalancer.server.port=80
         {more}"
    ))
}

/// Those of a service that redirects to this port.
fn to(port: u16) -> Middlewares {
    Middlewares::of("proxy", &labels(&redirect(port)))
}

fn redirect(port: u16) -> String {
    format!(
        "traefik.http.middlewares.to.redirectscheme.scheme=https
         traefik.http.middlewares.to.redirectscheme.port={port}"
    )
}

/// The ports to which the only route redirects.
fn redirects(declared: &Declared) -> Vec<Option<u16>> {
    assert_eq!(declared.problems, []);
    let [route] = &declared.routes[..] else {
        panic!("{declared:?}")
    };
    let filters = route.filters.iter();
    filters
        .map(|filter| match filter {
            Filter::Redirect(redirect) => redirect.port,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_name_is_that_of_the_service_itself_and_else_of_the_oldest_one() {
    let (older, younger, youngest) = (to(1), to(2), to(4));
    let services = [(8, "b", &youngest), (7, "b", &younger), (7, "a", &older)];
    let others = Middlewares::of_all(services);
    let from = |labels| redirects(&declared_among("a", &labels, &others));
    assert_eq!(from(app("")), [Some(1)]);
    assert_eq!(from(app(&redirect(3))), [Some(3)]);
}

#[test]
fn a_name_that_nobody_declares_closes_the_route() {
    let alone = declared("a", &app(""));
    assert!(matches!(alone.routes[0].filters[..], [Filter::Closed(_)]));
    let off = format!("traefik.enable=false\n{}", redirect(1));
    assert!(Middlewares::of("proxy", &labels(&off)).is_empty());
}

#[test]
fn a_service_may_declare_middlewares_alone_and_what_is_wrong_with_them_is_named() {
    for enable in ["", "traefik.enable=true"] {
        let text = format!("{enable}\n{}", redirect(1));
        assert_eq!(declared("proxy", &labels(&text)), Declared::default());
    }
    let wrong = "traefik.http.middlewares.to.redirectscheme.scheme=ftp";
    assert_eq!(declared("proxy", &labels(wrong)).problems.len(), 1);
}
