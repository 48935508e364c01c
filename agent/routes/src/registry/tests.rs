use super::*;
use crate::route::Filter;
use crate::table::Conflict;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// Labels, as `label=value` a line.
fn labels(text: &str) -> Arc<BTreeMap<String, String>> {
    let lines = text.lines().filter_map(|line| line.trim().split_once('='));
    let pairs = lines.map(|(label, value)| (label.to_owned(), value.to_owned()));
    Arc::new(pairs.collect())
}

fn source(created_ns: u64, text: &str) -> Source {
    Source {
        name: "name".to_owned(),
        created_ns,
        labels: labels(text),
        takes_part: true,
    }
}

/// A service whose route for a host uses the middleware `to`.
fn app(host: &str) -> String {
    format!(
        "traefik.http.routers.a.rule=Host(`{host}`)
         traefik.http.routers.a.middlewares=to@docker
         traefik.http.services.a.loadbalancer.server.port=80"
    )
}

fn redirect(port: u16) -> String {
    format!(
        "traefik.http.middlewares.to.redirectscheme.scheme=https
         traefik.http.middlewares.to.redirectscheme.port={port}"
    )
}

fn filters<'a>(registry: &'a Registry, id: &str) -> &'a [Filter] {
    &registry.get(id).unwrap().entries[0].route.filters
}

/// Takes one service; the ids of the services that are others since.
fn take(registry: &mut Registry, id: &str, source: Option<Source>) -> Vec<String> {
    let changes = registry.update([(id.into(), source)]);
    let services = changes.services.iter();
    services.map(|id| id.to_string()).collect()
}

#[test]
fn services_are_read_again_where_a_middleware_that_they_use_is_another_one_and_nowhere_else() {
    let mut all = Registry::default();
    let mut take = |id: &str, source| take(&mut all, id, source);
    assert_eq!(take("a", Some(source(1, &app("a.test")))), ["a"]);
    assert_eq!(take("b", Some(source(1, &app("b.test")))), ["b"]);
    let own = format!("{}\n{}", app("own.test"), redirect(1));
    assert_eq!(take("own", Some(source(9, &own))), ["a", "b", "own"]);
    let plain = "com.docker.lb.hosts=c.test\ncom.docker.lb.port=80";
    assert_eq!(take("plain", Some(source(1, plain))), ["plain"]);
    assert_eq!(take("plain", Some(source(1, plain))), [""; 0], "as before");
    let proxy = source(2, &redirect(2));
    assert_eq!(take("proxy", Some(proxy.clone())), ["a", "b", "proxy"]);
    let younger = source(3, &redirect(3));
    assert_eq!(
        take("younger", Some(younger)),
        ["younger"],
        "the name stands for nothing already"
    );
    let silent = Source {
        takes_part: false,
        ..proxy
    };
    assert_eq!(take("proxy", Some(silent)), ["proxy"], "nor does it now");
    assert_eq!(take("younger", None), ["a", "b", "younger"]);
    assert!(matches!(filters(&all, "a"), [Filter::Redirect(to)] if to.port == Some(1)));
    assert!(matches!(filters(&all, "own"), [Filter::Redirect(to)] if to.port == Some(1)));
}

#[test]
fn a_route_is_open_again_once_somebody_declares_its_middleware() {
    let mut all = Registry::default();
    take(&mut all, "a", Some(source(1, &app("a.test"))));
    let closed = |all: &Registry| matches!(filters(all, "a"), [Filter::Closed(_)]);
    assert!(closed(&all));
    assert_eq!(all.get("a").unwrap().problems.len(), 1);
    take(&mut all, "proxy", Some(source(2, &redirect(2))));
    assert!(!closed(&all));
    take(&mut all, "proxy", None);
    assert!(closed(&all) && all.get("proxy").is_none());
}

#[test]
fn nobody_takes_a_password_from_routes_of_others_by_declaring_its_name_in_another_way() {
    let auth = "traefik.http.middlewares.to.basicauth.users=ann:{SHA}x";
    let nothing = "traefik.http.middlewares.to.headers.framedeny=true";
    let named = |name: &str, created_ns, labels| Source {
        name: name.to_owned(),
        ..source(created_ns, labels)
    };
    let asks = |all: &Registry| matches!(filters(all, "admin"), [Filter::BasicAuth(_)]);
    let closed = |all: &Registry| matches!(filters(all, "admin"), [Filter::Closed(_)]);
    let mut all = Registry::default();
    take(&mut all, "1", Some(named("edge", 1, auth)));
    take(&mut all, "admin", Some(source(2, &app("a.test"))));
    assert!(asks(&all));
    take(&mut all, "3", Some(named("tenant", 3, nothing)));
    assert!(closed(&all));
    let problems = &all.get("admin").unwrap().problems;
    let told = problems[0].to_string();
    assert!(told.contains("services edge and tenant declare"), "{told}");
    // The service is made anew, and is younger than the tenant's.
    let again = Some(named("edge", 4, auth));
    all.update([("1".into(), None), ("4".into(), again)]);
    assert!(closed(&all));
    // Who declares the same does no harm.
    take(&mut all, "3", Some(named("tenant", 3, auth)));
    assert!(asks(&all));
    take(&mut all, "3", None);
    assert!(asks(&all));
}

#[test]
fn the_table_stays_the_same_one_while_no_route_changes() {
    let mut all = Registry::default();
    let labelled = format!("{}\ntraefik.tags=x", redirect(2));
    take(&mut all, "a", Some(source(1, &app("a.test"))));
    take(&mut all, "proxy", Some(source(1, &redirect(2))));
    let table = Arc::clone(all.table());
    assert_eq!(
        take(&mut all, "proxy", Some(source(1, &labelled))),
        ["proxy"]
    );
    assert!(Arc::ptr_eq(&table, all.table()));
    take(&mut all, "a", Some(source(1, &app("b.test"))));
    assert!(!Arc::ptr_eq(&table, all.table()));
}

#[test]
fn a_service_that_is_only_told_of_has_routes_and_none_in_the_table() {
    let mut all = Registry::default();
    let plain = source(1, "com.docker.lb.hosts=a.test\ncom.docker.lb.port=80");
    let silent = Source {
        takes_part: false,
        ..plain.clone()
    };
    take(&mut all, "s", Some(plain));
    assert_eq!(all.table().entries().count(), 1);
    assert_eq!(take(&mut all, "s", Some(silent)), ["s"]);
    assert_eq!(all.table().entries().count(), 0);
    let registration = all.get("s").unwrap();
    assert_eq!(
        (registration.entries.len(), registration.served().len()),
        (1, 0)
    );
}

/// A service, or that there is none.
fn any_source() -> impl Strategy<Value = Option<Source>> {
    let piece = prop_oneof![
        Just(app("a.test")),
        Just(app("b.test")),
        Just(redirect(1)),
        Just(redirect(2)),
        Just("com.docker.lb.hosts=a.test\ncom.docker.lb.port=80".to_owned()),
        Just("traefik.http.middlewares.to.basicauth.users=nobody".to_owned()),
        Just("traefik.http.middlewares.other.stripprefix.prefixes=/x".to_owned()),
        Just("traefik.http.routers.a.middlewares=other,to".to_owned()),
        Just("com.docker.lb.nonsense=x".to_owned()),
    ];
    let made = (vec(piece, 0..4), 0_u64..3, prop::bool::weighted(0.8));
    let made = made.prop_map(|(pieces, created_ns, takes_part)| Source {
        takes_part,
        ..source(created_ns, &pieces.join("\n"))
    });
    prop_oneof![4 => made.prop_map(Some), 1 => Just(None)]
}

proptest! {
    #[test]
    fn whatever_services_come_change_and_go_all_is_as_if_they_had_come_at_once(
        steps in vec(btree_map(0_u8..5, any_source(), 1..4), 1..10),
    ) {
        let mut all = Registry::default();
        let mut services: BTreeMap<u8, Option<Source>> = BTreeMap::new();
        let mut conflicts: Vec<Conflict> = Vec::new();
        for step in steps {
            let copy = all.clone();
            let known: Vec<_> = (0..5).map(|id| all.get(&id.to_string()).cloned()).collect();
            services.extend(step.clone());
            let named = |(id, source): (u8, Option<Source>)| -> (Arc<str>, Option<Source>) {
                (id.to_string().into(), source)
            };
            let changes = all.update(step.into_iter().map(named));
            let mut at_once = Registry::default();
            at_once.update(services.clone().into_iter().map(named));
            prop_assert_eq!(&all, &at_once);
            // Registrations are told of where they are others, and are the same ones elsewhere.
            for (id, before) in (0..5).zip(&known) {
                let id = id.to_string();
                let now = all.get(&id);
                prop_assert_eq!(copy.get(&id), before.as_ref(), "a copy stays");
                prop_assert_eq!(changes.services.contains(id.as_str()), now != before.as_ref());
                if let (Some(now), Some(before)) = (now, before) {
                    prop_assert_eq!(Arc::ptr_eq(now, before), now == before);
                }
            }
            for gone in &changes.conflicts.gone {
                let at = conflicts.iter().position(|it| it == gone);
                conflicts.remove(at.unwrap());
            }
            conflicts.extend(changes.conflicts.new);
            let expected = all.table().conflicts();
            prop_assert_eq!(conflicts.len(), expected.len());
            prop_assert!(conflicts.iter().all(|it| expected.contains(it)));
        }
    }
}
