//! A service that grows beyond its share of ports, or for whose table others leave no room any more.

use super::*;
use crate::model::snapshot::Task;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A service with so many TCP ports, from 20000 on, and a task in each of these slots.
fn wide(ports: u16, slots: impl IntoIterator<Item = u64>) -> Snapshot {
    let numbers = 20_000..20_000 + ports;
    let service = SwarmService {
        ports: numbers.map(|number| port(Proto::Tcp, number, 80)).collect(),
        ..web()
    };
    let mut view = SnapshotBuilder::new().node("there", member("node2", Some(THERE)));
    view = view.service("s", service);
    for (n, slot) in slots.into_iter().enumerate() {
        let task = Task {
            slot,
            ..crate::testing::task("s", "there")
        };
        view = view.task(&format!("t{n}"), task);
    }
    view.build()
}

/// The numbers of its ports: of those that it has, and of those that keep connections.
fn numbers(wanted: &Desired, service: &str) -> [BTreeSet<u16>; 2] {
    let service = &wanted.services[&Key::of(service)];
    [&service.frontends, &service.withdrawn]
        .map(|ports| ports.iter().map(|port| port.published).collect())
}

fn counts(wanted: &Desired) -> [usize; 2] {
    numbers(wanted, "s").map(|numbers| numbers.len())
}

#[test]
fn ports_that_a_service_has_and_can_have_no_more_keep_their_connections() {
    let config = Config::default();
    let mut node = node();
    let first = Incremental::full(&wide(4_096, 1..=16), &node, &config);
    assert_eq!(counts(&first.desired), [4_096, 0]);
    node.serving = first.desired.serving();
    let grown = wide(4_096, 1..=17);
    let next = first.update(&grown, &node, &config);
    assert_eq!(counts(&next.desired), [3_855, 241]);
    let (whole, problems) = desired(&grown, &node, &config);
    assert_eq!(next.desired, whole);
    assert_eq!(next.problems(), problems);
    assert_eq!(problems.len(), 1);
    let kept = next.withdrawn();
    let kept = &kept[&Key::of("s")];
    assert!(kept.len() == 241 && kept.values().all(|target| *target == 80));
    // They do so until these have ended.
    node.serving = next.desired.serving();
    let next = next.update(&grown, &node, &config);
    assert_eq!(counts(&next.desired), [3_855, 241]);
    node.drained = kept.keys().copied().collect();
    let next = next.update(&grown, &node, &config);
    assert_eq!(counts(&next.desired), [3_855, 0]);
    assert!(next.withdrawn().is_empty());
    node.drained.clear();
    node.serving = next.desired.serving();
    let next = next.update(&grown, &node, &config);
    assert_eq!(counts(&next.desired), [3_855, 0]);
    // And come back when it shrinks.
    let next = next.update(&wide(4_096, 1..=16), &node, &config);
    assert_eq!(counts(&next.desired), [4_096, 0]);
    assert_eq!(next.problems(), vec![]);
}

#[test]
fn a_task_and_the_one_that_replaces_it_are_one_replica() {
    let config = Config::default();
    // The old task runs until the new one does, and is to end then.
    let mut update = wide(4_096, (1..=16).chain([7]));
    let (wanted, problems) = desired(&update, &node(), &config);
    assert_eq!((counts(&wanted), problems), ([4_096, 0], vec![]));
    // One that is to end, and has no successor yet.
    update = wide(4_096, 1..=17);
    let ends = update.tasks.get_mut(&TaskId::from("t3")).unwrap();
    ends.desired = crate::model::snapshot::DesiredState::Ended;
    let (wanted, _) = desired(&update, &node(), &config);
    assert_eq!(counts(&wanted), [4_096, 0]);
    // A global service has one on each node, whatever their number.
    let mut global = wide(4_096, [0; 17]);
    let (wanted, _) = desired(&global, &node(), &config);
    assert_eq!(counts(&wanted), [4_096, 0]);
    for (n, (_, task)) in (0..).zip(&mut global.tasks) {
        task.node = format!("node{n}").as_str().into();
    }
    for n in 0..17 {
        let id = format!("node{n}").as_str().into();
        let node = member("", Some(Ipv4Addr::new(10, 0, 1, n)));
        global.nodes.insert(id, node);
    }
    let (wanted, _) = desired(&global, &node(), &config);
    assert_eq!(counts(&wanted), [3_855, 0]);
}

/// Services `0`, `1` and `2`, made in this order: by maglev, and with so many tasks.
fn by_maglev(tasks: [u16; 3]) -> Snapshot {
    let mut view = SnapshotBuilder::new().node("there", member("node2", Some(THERE)));
    for (n, count) in (0u16..).zip(tasks) {
        let id = n.to_string();
        let service = SwarmService {
            name: format!("service{n}"),
            created: n.into(),
            labels: labels(&[("swarmlb.policy", "maglev")]),
            ports: vec![port(Proto::Tcp, 8_080 + n, 80)],
            ..web()
        };
        view = view.service(&id, service);
        for task in 0..count {
            let made = crate::testing::task(&id, "there");
            view = view.task(&format!("{n}-{task}"), made);
        }
    }
    view.build()
}

#[test]
fn a_service_whose_room_an_older_one_takes_keeps_its_connections() {
    // 300 tasks take half of all places.
    let config = Config::default();
    let mut node = node();
    let first = Incremental::full(&by_maglev([0, 300, 300]), &node, &config);
    let has: [BTreeSet<u16>; 2] = [[8_082].into(), BTreeSet::new()];
    assert_eq!(numbers(&first.desired, "2"), has);
    node.serving = first.desired.serving();
    let grown = by_maglev([300; 3]);
    let next = first.update(&grown, &node, &config);
    let [open, keeps] = has;
    assert_eq!(numbers(&next.desired, "2"), [keeps, open]);
    assert_eq!(next.desired, desired(&grown, &node, &config).0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn however_a_service_grows_each_port_that_it_has_is_served_or_keeps_its_connections(
        ports in 1u16..=4_096, before in 1u64..60, after in 1u64..60,
    ) {
        let config = Config::default();
        let mut node = node();
        let first = Incremental::full(&wide(ports, 1..=before), &node, &config);
        node.serving = first.desired.serving();
        let [had, _] = numbers(&first.desired, "s");
        let grown = wide(ports, 1..=after);
        let next = first.update(&grown, &node, &config);
        let [open, keeps] = numbers(&next.desired, "s");
        prop_assert!(open.is_disjoint(&keeps));
        let all: BTreeSet<u16> = open.union(&keeps).copied().collect();
        prop_assert!(had.is_subset(&all));
        prop_assert_eq!(&next.desired, &desired(&grown, &node, &config).0);
    }
}
