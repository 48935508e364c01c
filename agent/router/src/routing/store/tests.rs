//! Views, changes and gaps.

use super::Store;
use crate::routing::Routing;
use http::{HeaderMap, Method};
use lb_router_wire::{Change, Service, Task, View};
use lb_routes::path::NormalPath;
use lb_routes::rule::{Host, Request};
use lb_routes::table::EntryPoint;
use std::net::{IpAddr, Ipv4Addr};

fn service(id: &str, host: &str, tasks: &[u64]) -> Service {
    let labels = [("com.docker.lb.hosts", host), ("com.docker.lb.port", "80")];
    let task = |key: &u64| Task {
        key: *key,
        id: format!("task{key}"),
        address: IpAddr::from(Ipv4Addr::LOCALHOST),
        node: "node1".into(),
        local: true,
        leaving: false,
    };
    Service {
        id: id.into(),
        name: format!("name-{id}"),
        created_ns: 1,
        labels: labels
            .map(|(label, value)| (label.into(), value.into()))
            .into(),
        tasks: tasks.iter().map(task).collect(),
    }
}

fn view(version: u64, services: &[Service]) -> View {
    View {
        version,
        services: services.to_vec(),
    }
}

/// The name of the service that answers for a host, and the keys of its tasks that take new requests.
fn answers(routing: &Routing, host: &str) -> Option<(String, Vec<u64>)> {
    let host = Host::of(host).unwrap();
    let request = Request {
        host: &host,
        path: &NormalPath::root(),
        query: "",
        method: &Method::GET,
        headers: &HeaderMap::new(),
        client: IpAddr::from(Ipv4Addr::LOCALHOST),
    };
    let found = routing.find(EntryPoint::Http, &request)?;
    let tasks = found.service.tasks.iter().filter(|task| !task.leaving);
    Some((
        found.service.name.clone(),
        tasks.map(|task| task.key).collect(),
    ))
}

#[test]
fn a_view_replaces_the_last_one() {
    let mut store = Store::default();
    assert_eq!(answers(&store.routing(), "a.test"), None);
    store.view(view(
        1,
        &[service("a", "a.test", &[2, 1]), service("b", "b.test", &[])],
    ));
    let routing = store.routing();
    assert_eq!(
        answers(&routing, "a.test"),
        Some(("name-a".into(), vec![1, 2]))
    );
    assert_eq!(answers(&routing, "b.test"), Some(("name-b".into(), vec![])));
    let step = store.view(view(2, &[service("b", "c.test", &[3])]));
    let next = &step.routing;
    assert_eq!(next.version, 2);
    assert_eq!((&*step.left, step.removes_service), (&[1, 2][..], true));
    assert_eq!(answers(next, "a.test"), None);
    assert_eq!(answers(next, "b.test"), None);
    assert_eq!(answers(next, "c.test"), Some(("name-b".into(), vec![3])));
    // Who holds the older one is served by it.
    assert!(answers(&routing, "a.test").is_some());
}

#[test]
fn a_change_of_tasks_leaves_the_table_as_it_is() {
    let mut store = Store::default();
    let before = store.view(view(
        1,
        &[service("a", "a.test", &[1]), service("b", "b.test", &[2])],
    ));
    let before = before.routing;
    let change = Change {
        from: 1,
        to: 5,
        services: vec![service("a", "a.test", &[1, 7])],
        removed: vec![],
    };
    let step = store.change(change).unwrap();
    assert_eq!((step.left.len(), step.removes_service), (0, false));
    let after = step.routing;
    assert_eq!(after.version, 5);
    assert!(std::sync::Arc::ptr_eq(&before.table, &after.table));
    assert_eq!(
        answers(&after, "a.test"),
        Some(("name-a".into(), vec![1, 7]))
    );
    let change = Change {
        from: 5,
        to: 6,
        services: vec![],
        removed: vec!["a".into()],
    };
    let after = store.change(change).unwrap().routing;
    assert_eq!(answers(&after, "a.test"), None);
    assert_eq!(answers(&after, "b.test"), Some(("name-b".into(), vec![2])));
}

#[test]
fn a_change_of_another_view_changes_nothing() {
    let mut store = Store::default();
    store.view(view(1, &[service("a", "a.test", &[1])]));
    let change = Change {
        from: 2,
        to: 3,
        services: vec![service("a", "b.test", &[1])],
        removed: vec![],
    };
    let gap = store.change(change).unwrap_err();
    assert_eq!((gap.from, gap.have), (2, 1));
    assert!(answers(&store.routing(), "a.test").is_some());
    assert_eq!(store.routing().version, 1);
}

#[test]
fn a_task_that_leaves_takes_no_new_requests() {
    let mut store = Store::default();
    store.view(view(1, &[service("a", "a.test", &[1, 2])]));
    let step = store.leaving(&[2, 9]);
    let routing = step.routing;
    assert_eq!(
        answers(&routing, "a.test"),
        Some(("name-a".into(), vec![1]))
    );
    assert_eq!(routing.version, 1);
    assert_eq!(*step.left, [2]);
    assert!(routing.tasks().stays(1) && !routing.tasks().stays(2));
    assert_eq!(store.leaving(&[2]).left.len(), 0, "it has left before");
}

#[test]
fn a_change_of_a_label_leaves_the_other_services_as_they_are_and_no_task_leaves() {
    let mut store = Store::default();
    let names: Vec<(String, String)> = (0..500)
        .map(|n| (format!("s{n}"), format!("h{n}.test")))
        .collect();
    let services = names.iter().zip(1..);
    let services = services.map(|((id, host), task)| service(id, host, &[task]));
    let services: Vec<Service> = services.collect();
    let before = store.view(view(1, &services)).routing;
    let change = Change {
        from: 1,
        to: 2,
        services: vec![service("s7", "moved.test", &[8])],
        removed: vec![],
    };
    let step = store.change(change).unwrap();
    assert_eq!((step.left.len(), step.removes_service), (0, false));
    let after = step.routing;
    assert_eq!(answers(&after, "h7.test"), None);
    assert_eq!(
        answers(&after, "moved.test"),
        Some(("name-s7".into(), vec![8]))
    );
    assert_eq!(answers(&after, "h8.test"), answers(&before, "h8.test"));
    // Two shards hold what was in the shard of the service that has changed; all others are shared.
    let of = |routing: &Routing| -> Vec<usize> {
        let services = names
            .iter()
            .filter_map(|(id, _)| routing.services.get(id.as_str()));
        services.map(std::sync::Arc::strong_count).collect()
    };
    assert!(of(&after).iter().filter(|held| **held > 1).count() < 100);
}

#[test]
fn who_served_last_by_what_was_routed_before_does_not_drop_it() {
    let mut store = Store::default();
    let held = store.view(view(1, &[service("a", "a.test", &[1])])).routing;
    let version = |number| view(number, &[service("a", "a.test", &[number])]);
    for number in 2..6 {
        store.view(version(number));
        assert_eq!(std::sync::Arc::strong_count(&held), 2);
    }
    let weak = std::sync::Arc::downgrade(&held);
    drop(held);
    assert!(weak.upgrade().is_some(), "the store drops it");
    store.view(version(6));
    assert!(weak.upgrade().is_none());
}

#[test]
fn routes_that_are_served_are_those_that_no_older_service_keeps_out() {
    let mut store = Store::default();
    let young = Service {
        created_ns: 2,
        ..service("b", "a.test", &[])
    };
    store.view(view(1, &[service("a", "a.test", &[]), young.clone()]));
    let served = |store: &Store, id| store.served(id).count();
    assert_eq!((served(&store, "a"), served(&store, "b")), (1, 0));
    store.view(view(2, &[young]));
    assert_eq!((served(&store, "a"), served(&store, "b")), (0, 1));
}
