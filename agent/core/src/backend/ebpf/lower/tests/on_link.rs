//! Networks that tasks of this node reach by devices of their own.

use super::*;
use crate::desired::{Incremental, share};
use ipnet::Ipv4Net;
use lb_abi::flow::{UNDER_GATEWAY, UNDER_NODE};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 3);

fn net(network: &str) -> Ipv4Net {
    network.parse().unwrap()
}

/// The node, whose task `a` has these networks.
fn with_networks(networks: impl IntoIterator<Item = Ipv4Net>) -> Node {
    Node {
        bridge_ports: [(7, [ADDRESS].into()), (9, BTreeSet::new())].into(),
        container_networks: [
            (7, networks.into_iter().collect()),
            (9, [net("198.51.100.0/24")].into()),
        ]
        .into(),
        gateway: Some(Ipv4Addr::new(172, 18, 0, 1)),
        ..node()
    }
}

fn wanted(node: &Node) -> (BTreeMap<(Key, Ipv4Net), u32>, Vec<Problem>) {
    let (want, problems) = lower(&snapshot(), node, &Config::default(), &State::default());
    (want.on_link, problems)
}

/// What is wanted where task `a` sees clients of these networks so.
fn seen<const N: usize>(networks: [&str; N], under: u32) -> BTreeMap<(Key, Ipv4Net), u32> {
    networks
        .map(|network| ((Key::of("a"), net(network)), under))
        .into()
}

#[test]
fn clients_of_a_tasks_networks_are_presented_under_the_nodes_address() {
    let networks = ["10.99.7.0/24", "172.18.0.0/16"];
    let node = with_networks(networks.map(net));
    assert_eq!(wanted(&node), (seen(networks, UNDER_NODE), vec![]));
    // Swarm gives a task the virtual addresses of its services, which are in these networks.
    let more = with_networks(["10.99.7.0/24", "10.99.7.2/32", "172.18.0.0/16"].map(net));
    assert_eq!(wanted(&more), (seen(networks, UNDER_NODE), vec![]));
}

#[test]
fn where_the_nodes_address_is_in_one_of_them_it_is_the_gateways() {
    let networks = ["10.0.0.0/24", "172.18.0.0/16"];
    let mut node = with_networks(networks.map(net));
    assert_eq!(wanted(&node).0, seen(networks, UNDER_GATEWAY));
    node.gateway = None;
    assert_eq!(wanted(&node).0, seen(networks, UNDER_NODE));
}

#[test]
fn a_container_with_the_address_of_a_task_has_no_say_in_it() {
    let mut node = with_networks([net("10.99.7.0/24")]);
    node.bridge_ports.insert(9, [ADDRESS].into());
    assert_eq!(wanted(&node).0, BTreeMap::new());
}

#[test]
fn a_task_has_so_many_of_them_and_is_named_if_it_has_more() {
    let many = (0..=share::ON_LINK_OF_TASK).map(|n| {
        let address = Ipv4Addr::from(0x0a63_0000 + u32::try_from(n).unwrap() * 256);
        Ipv4Net::new(address, 24).unwrap()
    });
    let (networks, problems) = wanted(&with_networks(many));
    assert_eq!(networks.len(), share::ON_LINK_OF_TASK);
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    assert_eq!(problem.object, "task a");
    assert!(problem.message.contains("65 networks"), "{problem:?}");
}

#[test]
fn they_come_before_the_task_and_go_after_it() {
    let view = snapshot();
    let config = Config::default();
    let first = with_networks([net("10.99.7.0/24")]);
    let before = Incremental::full(&view, &first, &config);
    let lowered = Lowered::default().update(&before.desired, &State::default());
    let place = |ops: &[String], what: &str| {
        let found = ops.iter().position(|op| op.starts_with(what));
        found.unwrap_or_else(|| panic!("{what}: {ops:?}"))
    };
    let said = |want: &State, have: &State| -> Vec<String> {
        let ops = plan(want, have, Prune::Allowed);
        ops.iter().map(ToString::to_string).collect()
    };
    let task = Key::of("a");
    let ops = said(&lowered.want, &State::default());
    let present =
        format!("present clients of 10.99.7.0/24 to task {task} under this node's address");
    assert!(
        place(&ops, &present) < place(&ops, &format!("task {task} at")),
        "{ops:?}"
    );

    let have = lowered.want.clone();
    let mut gone = view;
    gone.tasks.remove(&TaskId::from("a"));
    let ended = Node {
        tasks: BTreeMap::new(),
        ..first
    };
    let after = before.update(&gone, &serving(&ended, &have), &config);
    let want = lowered.update(&after.desired, &have).want;
    let ops = said(&want, &have);
    let as_it_is = format!("present clients of 10.99.7.0/24 to task {task} as they are");
    assert!(
        place(&ops, &format!("remove task {task}")) < place(&ops, &as_it_is),
        "{ops:?}"
    );
}

#[test]
fn networks_that_are_read_later_follow_and_nothing_else_is_written() {
    let view = snapshot();
    let config = Config::default();
    let first = Incremental::full(&view, &with_networks([]), &config);
    let lowered = Lowered::default().update(&first.desired, &State::default());
    let have = lowered.want.clone();
    let later = with_networks([net("10.99.7.0/24")]);
    let next = first.update(&view, &serving(&later, &have), &config);
    let want = lowered.update(&next.desired, &have).want;
    let ops = plan(&want, &have, Prune::Withheld);
    let present =
        crate::backend::ebpf::Op::PutOnLink(Key::of("a"), net("10.99.7.0/24"), UNDER_NODE);
    assert_eq!(ops, [present]);
}
