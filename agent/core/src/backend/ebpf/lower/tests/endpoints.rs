//! Behind which ports of the bridges tasks of this node are.

use super::*;
use crate::desired::Incremental;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 3);

/// The node, with bridge ports whose other ends have these addresses.
fn with_ports<const N: usize>(ports: [(u32, &[Ipv4Addr]); N]) -> Node {
    let ports = ports.map(|(port, has)| (port, has.iter().copied().collect()));
    Node {
        bridge_ports: ports.into(),
        ..node()
    }
}

fn wanted(node: &Node) -> (BTreeMap<Ipv4Addr, u32>, Vec<Problem>) {
    let view = snapshot();
    let (want, problems) = lower(&view, node, &Config::default(), &State::default());
    (want.endpoints, problems)
}

#[test]
fn a_task_is_behind_the_port_whose_other_end_has_its_address() {
    let other = Ipv4Addr::new(172, 18, 0, 4);
    let node = with_ports([(7, &[other]), (9, &[Ipv4Addr::new(10, 0, 1, 5), ADDRESS])]);
    assert_eq!(wanted(&node), ([(ADDRESS, 9)].into(), vec![]));
    let node = with_ports([(7, &[other]), (9, &[])]);
    assert_eq!(wanted(&node), ([].into(), vec![]), "not known yet");
}

#[test]
fn an_address_of_two_containers_is_taken_from_neither_and_told() {
    let (endpoints, problems) = wanted(&with_ports([(7, &[ADDRESS]), (9, &[ADDRESS])]));
    assert_eq!(endpoints, [].into());
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    assert_eq!(problem.object, "task a");
    assert!(problem.message.contains("172.18.0.3"), "{problem:?}");
}

#[test]
fn a_task_that_ends_leaves_its_address_to_whoever_gets_it() {
    let view = snapshot();
    let config = Config::default();
    let first = with_ports([(7, &[ADDRESS])]);
    let wanted = Incremental::full(&view, &first, &config);
    let lowered = Lowered::default().update(&wanted.desired, &State::default());
    assert_eq!(lowered.want.endpoints, [(ADDRESS, 7)].into());
    let ended = Node {
        tasks: BTreeMap::new(),
        ..first.clone()
    };
    let have = lowered.want.clone();
    let wanted = wanted.update(&view, &serving(&ended, &have), &config);
    let lowered = lowered.update(&wanted.desired, &have);
    assert_eq!(lowered.want.endpoints, [].into());
    let have = lowered.want.clone();
    let wanted = wanted.update(&view, &serving(&first, &have), &config);
    let lowered = lowered.update(&wanted.desired, &have);
    assert_eq!(lowered.want.endpoints, [(ADDRESS, 7)].into());
}
