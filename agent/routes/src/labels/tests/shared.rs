//! Middlewares that several services use.

use super::*;
use std::sync::Arc;

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
fn a_name_is_that_of_the_service_itself_and_else_what_all_declare_alike() {
    let (one, other) = (to(1), to(2));
    let mut others = SharedMiddlewares::default();
    for (created_ns, id) in [(8, "b"), (7, "a")] {
        others.replace(None, Some((&(created_ns, id.into()), &one)));
    }
    let from = |labels, others: &SharedMiddlewares| declared_among("a", &labels, others);
    assert_eq!(redirects(&from(app(""), &others)), [Some(1)]);
    others.replace(None, Some((&(9, "c".into()), &other)));
    let disputed = from(app(""), &others);
    assert!(matches!(
        disputed.routes[0].filters[..],
        [Filter::Closed(_)]
    ));
    assert_eq!(
        disputed.problems[0].to_string(),
        "label traefik.http.routers.a.middlewares: services proxy and proxy declare the middleware \"to\" differently: \
         give it another name in one of them; until then the route answers nobody"
    );
    let own = from(app(&redirect(3)), &others);
    assert_eq!(redirects(&own), [Some(3)]);
}

#[test]
fn names_that_stand_for_something_else_are_told_and_no_others() {
    let (one, other) = (to(1), to(2));
    let (older, younger) = ((7, Arc::from("a")), (8, Arc::from("b")));
    let mut all = SharedMiddlewares::default();
    let mut replace = |before, now| !all.replace(before, now).is_empty();
    assert!(replace(None, Some((&younger, &one))));
    assert!(
        !replace(None, Some((&older, &one))),
        "it stands for that already"
    );
    assert!(
        replace(Some((&older, &one)), Some((&older, &other))),
        "it stands for nothing any more"
    );
    assert!(
        replace(Some((&younger, &one)), Some((&younger, &other))),
        "both declare it alike again"
    );
    assert!(
        !replace(Some((&older, &other)), None),
        "the younger one has it, with the same filters"
    );
    assert!(replace(Some((&younger, &other)), None));
}

#[test]
fn a_service_says_which_names_it_looks_for_among_those_of_others() {
    let looked_up = |labels| declared("a", &labels).looked_up;
    assert_eq!(looked_up(app("")), ["to".to_owned()].into());
    assert!(looked_up(app(&redirect(1))).is_empty(), "it has its own");
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
