//! What is known of tasks, while these come and go.

use super::Upstream;
use crate::clock::Seconds;
use crate::limits::Limits;
use crate::routing::Store;
use lb_router_wire::{Service, Task, View};
use std::net::{IpAddr, Ipv4Addr};

fn view(version: u64, tasks: &[u64]) -> View {
    let task = |key: &u64| Task {
        key: *key,
        id: format!("task{key}"),
        address: IpAddr::from(Ipv4Addr::LOCALHOST),
        node: "node1".into(),
        local: true,
        leaving: false,
    };
    let service = Service {
        id: "s".into(),
        name: "web".into(),
        created_ns: 1,
        labels: [].into(),
        tasks: tasks.iter().map(task).collect(),
    };
    View {
        version,
        services: vec![service],
    }
}

/// Keys of the tasks whose loads are known.
fn known(upstream: &Upstream) -> Vec<u64> {
    let mut known: Vec<u64> = upstream.loads.borrow().keys().copied().collect();
    known.sort_unstable();
    known
}

#[test]
fn a_task_that_leaves_is_forgotten_once_its_exchanges_have_ended() {
    let (upstream, mut store) = (Upstream::new(Limits::default()), Store::default());
    upstream.follow(&store.view(view(1, &[1, 2, 3])));
    let sweep = |store: &Store| upstream.sweep(Seconds::now(), &store.routing());
    let under_way = upstream.begin(1);
    drop((upstream.begin(2), upstream.begin(3)));
    sweep(&store);
    assert_eq!(known(&upstream), [1, 2, 3]);
    assert_eq!(upstream.draining(&store.routing()), 0);
    upstream.follow(&store.leaving(&[1, 2]));
    assert_eq!(upstream.draining(&store.routing()), 1);
    assert_eq!(known(&upstream), [1, 2, 3], "not while clients wait");
    sweep(&store);
    assert_eq!(known(&upstream), [1, 3]);
    drop(under_way);
    assert_eq!(upstream.draining(&store.routing()), 0);
    sweep(&store);
    assert_eq!(known(&upstream), [3]);
}

#[test]
fn a_service_that_is_gone_is_forgotten() {
    let (upstream, mut store) = (Upstream::new(Limits::default()), Store::default());
    upstream.follow(&store.view(view(1, &[])));
    upstream.count_request(&"s".into());
    upstream.sweep(Seconds::now(), &store.routing());
    assert_eq!(upstream.services.borrow().len(), 1);
    let none = View {
        version: 2,
        services: Vec::new(),
    };
    upstream.follow(&store.view(none));
    upstream.sweep(Seconds::now(), &store.routing());
    assert_eq!(upstream.services.borrow().len(), 0);
}
