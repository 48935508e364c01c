//! Middlewares of other services: read as the router reads them, which gets those services, too.

use super::*;

const MIDDLEWARE: (&str, &str) = ("traefik.http.middlewares.to.redirectscheme.scheme", "https");
const APP: [(&str, &str); 3] = [
    ("traefik.http.routers.a.rule", "Host(`a`)"),
    ("traefik.http.routers.a.middlewares", "to@docker"),
    ("traefik.http.services.a.loadbalancer.server.port", "80"),
];

/// A service that uses a middleware of the service `proxy`, which declares nothing else, and has a task here.
fn shared() -> Snapshot {
    let mut snapshot = view(with(&APP));
    let proxy = Service {
        name: "proxy".to_owned(),
        ..with(&[MIDDLEWARE])
    };
    snapshot.services.insert("p".into(), proxy);
    let mut task = snapshot.tasks[&"a".into()].clone();
    task.service = "p".into();
    snapshot.tasks.insert("c".into(), task);
    snapshot
}

/// What the filters of the service `s` are made of.
fn filters(of: &Incremental) -> String {
    let declaration = of.declarations().get(&"s".into()).unwrap();
    format!("{:?}", declaration.routes().next().unwrap().filters)
}

fn change(snapshot: &mut Snapshot, id: &str, change: impl FnOnce(&mut Service)) {
    change(snapshot.services.get_mut(&id.into()).unwrap());
}

#[test]
fn a_service_that_declares_only_middlewares_is_told_to_the_router_and_no_packet_is_for_it() {
    let (wanted, problems) = desired(&shared(), &ON);
    assert_eq!(problems, []);
    let told = &wanted.routed[&"p".into()];
    assert_eq!((told.name.as_str(), told.tasks.len()), ("proxy", 0));
    assert_eq!(*told.labels, with(&[MIDDLEWARE]).labels.route_labels());
    let served: Vec<Key> = wanted.services.keys().copied().collect();
    assert_eq!(served, [Key::of("s")]);
    // A port that it publishes is served as that of any other service; the router sends no request there.
    let mut publishing = shared();
    change(&mut publishing, "p", |it| {
        it.ports = vec![port(Proto::Tcp, 8080, 80)];
    });
    let (wanted, _) = desired(&publishing, &ON);
    let served = &wanted.services[&Key::of("p")];
    assert!(!served.task_address && !served.routed);
    assert_eq!(wanted.routed[&"p".into()].tasks, []);
}

#[test]
fn a_middleware_that_changes_is_read_again_where_it_is_used_and_nowhere_else() {
    let mut snapshot = shared();
    snapshot.services.insert("other".into(), with(&WEB));
    let first = Incremental::full(&snapshot, &node(), &ON);
    assert!(filters(&first).contains("https: true"), "{first:?}");
    change(&mut snapshot, "p", |it| {
        it.labels = labels(&[(MIDDLEWARE.0, "http")]);
    });
    let second = first.clone().update(&snapshot, &node(), &ON);
    assert!(filters(&second).contains("https: false"));
    let declaration =
        |of: &Incremental, id: &str| Arc::clone(of.declarations().get(&id.into()).unwrap());
    let same = |id| Arc::ptr_eq(&declaration(&first, id), &declaration(&second, id));
    assert_eq!((same("other"), same("s")), (true, false));
}

#[test]
fn a_route_is_closed_while_nobody_declares_its_middleware_and_the_operator_is_told() {
    let mut snapshot = shared();
    let full = Incremental::full(&snapshot, &node(), &ON);
    assert_eq!(full.problems(), []);
    // A service that is being removed is none the router knows.
    change(&mut snapshot, "p", |it| it.removed = true);
    let closed = full.update(&snapshot, &node(), &ON);
    assert!(filters(&closed).contains("Closed"));
    assert_eq!(closed.desired.routed.len(), 1);
    let [problem] = &closed.problems()[..] else {
        panic!("{:?}", closed.problems())
    };
    assert_eq!(problem.object, "service web");
    change(&mut snapshot, "p", |it| it.removed = false);
    let open = closed.update(&snapshot, &node(), &ON);
    assert_eq!(open.problems(), []);
}

#[test]
fn a_middleware_that_services_declare_differently_closes_routes_and_they_are_named() {
    let mut snapshot = shared();
    let second = Service {
        name: "tenant".to_owned(),
        created: 8,
        ..with(&[(MIDDLEWARE.0, "http")])
    };
    snapshot.services.insert("b".into(), second);
    let full = Incremental::full(&snapshot, &node(), &ON);
    assert!(filters(&full).contains("Closed"));
    let [problem] = &full.problems()[..] else {
        panic!("{:?}", full.problems())
    };
    assert_eq!(problem.object, "service web");
    let message = &problem.message;
    assert!(message.contains("services proxy and tenant"), "{message}");
    change(&mut snapshot, "b", |it| it.labels = labels(&[MIDDLEWARE]));
    let full = full.update(&snapshot, &node(), &ON);
    assert!(filters(&full).contains("https: true"));
    assert_eq!(full.problems(), []);
}

#[test]
fn a_service_whose_routes_are_withheld_has_no_middlewares_either_but_one_that_has_none_does() {
    let allow = ("swarmlb.allow", "10.0.0.0/8");
    let mut snapshot = shared();
    change(&mut snapshot, "p", |it| {
        it.labels = labels(&[MIDDLEWARE, allow]);
    });
    let full = Incremental::full(&snapshot, &node(), &ON);
    assert!(filters(&full).contains("https: true"));
    change(&mut snapshot, "p", |it| {
        it.labels = labels(&[&[MIDDLEWARE, allow], &APP[..]].concat());
    });
    let full = full.update(&snapshot, &node(), &ON);
    assert!(filters(&full).contains("Closed"));
    assert!(!full.desired.routed.contains_key(&"p".into()));
}
