//! Ports that are taken from a service in the middle of an update that changes the port in the containers: from the views to
//! the operations.

use crate::backend::Prune;
use crate::backend::ipvs::{Op, State, lower, plan};
use crate::desired::desired;
use crate::model::config::Config;
use crate::model::ids::ServiceId;
use crate::model::node::{Node, TaskAddress};
use crate::model::port::{Proto, PublishedPort};
use crate::model::snapshot::{Snapshot, carry_over};
use crate::testing::{SnapshotBuilder, link, port, service};
use crate::view::targets::{TaskTargets, Updates};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

const NODE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const TASK: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 3);

/// The service with these ports, and a task of it here.
fn view(ports: Vec<PublishedPort>) -> Snapshot {
    let view = SnapshotBuilder::new().service("s", service("web", ports));
    view.tasks("s", [("old", "here")]).build()
}

/// Brings the node from one of the views to the next, where none is to end the connections of the task at port 80.
fn follow(views: impl IntoIterator<Item = Snapshot>) {
    let mut node = Node {
        id: "here".into(),
        address: Some(NODE),
        addresses: [NODE].into(),
        uplink: Some(link("eth0", 2)),
        tasks: [("old".into(), TaskAddress::gateway(TASK))].into(),
        ..Node::default()
    };
    let mut targets = TaskTargets::default();
    let mut before = Snapshot::default();
    let mut have = State::default();
    for mut view in views {
        targets.note(&mut view, &Updates::default());
        targets.keep(&view);
        carry_over(&before, &mut view);
        let (wanted, problems) = desired(&view, &node, &Config::default());
        assert_eq!(problems, vec![]);
        let want = lower(&wanted, &BTreeMap::new()).state;
        let ops = plan(&want, &have, Prune::Allowed);
        let ends = |op: &&Op| matches!(op, Op::RemoveDestination(..) | Op::RemoveService(_));
        assert_eq!(ops.iter().find(ends), None);
        assert_eq!(want.services.len(), 2, "for clients, and for the tunnel");
        let mut services = want.services.values();
        assert!(services.all(|service| service.destinations.contains_key(&(TASK, 80))));
        node.serving = wanted.serving();
        (before, have) = (view, want);
    }
}

#[test]
fn connections_of_old_tasks_outlive_a_port_that_is_withdrawn_in_an_update_of_its_target() {
    let updating = [80, 81].map(|target| view(vec![port(Proto::Tcp, 8080, target)]));
    let gone = view(vec![]);
    follow(updating.into_iter().chain([gone.clone(), gone]));
}

#[test]
fn connections_of_old_tasks_outlive_a_service_that_is_removed_in_an_update_of_its_target() {
    let updating = [80, 81].map(|target| view(vec![port(Proto::Tcp, 8080, target)]));
    let mut gone = view(vec![]);
    gone.services.remove(&ServiceId::from("s"));
    follow(updating.into_iter().chain([gone.clone(), gone]));
}
