//! Changes on which more depends than a few services.

use super::*;
use crate::testing::SnapshotBuilder;

fn node() -> Node {
    Node {
        id: "here".into(),
        address: Some(Ipv4Addr::new(10, 0, 0, 1)),
        uplink: Some(link("eth0", 2)),
        ..Node::default()
    }
}

/// A service with a port, HTTP routes and a task on another node.
fn view() -> Snapshot {
    let service = Service {
        name: "web".to_owned(),
        labels: labels(&[
            ("com.docker.lb.hosts", "a.example"),
            ("com.docker.lb.port", "80"),
        ]),
        ports: vec![port(Proto::Tcp, 8080, 80)],
        ..Service::default()
    };
    SnapshotBuilder::new()
        .service("s", service)
        .tasks("s", [("a", "there")])
        .node("there", member("node2", Some(Ipv4Addr::new(10, 0, 0, 2))))
        .build()
}

#[test]
fn what_the_operator_configures_anew_holds_for_all_services() {
    let (off, on) = (
        Config::default(),
        Config {
            router: true,
            ..Config::default()
        },
    );
    let mut incremental = Incremental::full(&view(), &node(), &off);
    for (config, routed) in [(&on, 1), (&off, 0), (&on, 1)] {
        incremental = incremental.update(&view(), &node(), config);
        let whole = Incremental::full(&view(), &node(), config);
        assert_eq!(incremental.desired, whole.desired);
        assert_eq!(incremental.declarations(), whole.declarations());
        assert_eq!(incremental.desired.routed.len(), routed);
    }
}

#[test]
fn a_node_without_a_way_out_serves_nothing_whichever_tasks_come() {
    let node = Node {
        uplink: None,
        ..node()
    };
    let config = Config::default();
    let before = Incremental::full(&view(), &node, &config);
    let mut next = view();
    next.tasks.insert("b".into(), running("s", "there"));
    let after = before.update(&next, &node, &config);
    assert_eq!(after.desired, Desired::default());
    let served = after.update(&next, &self::node(), &config).desired;
    assert_eq!(served.services[&Key::of("s")].backends.len(), 2);
}

#[test]
fn it_matters_who_listens_on_a_port_that_a_service_has_and_on_no_other() {
    let incremental = Incremental::full(&view(), &node(), &Config::default());
    for (port, matters) in [
        ((8080, Proto::Tcp), true),
        ((8080, Proto::Udp), false),
        ((8081, Proto::Tcp), false),
    ] {
        assert_eq!(incremental.publishes(&port), matters, "{port:?}");
    }
}
