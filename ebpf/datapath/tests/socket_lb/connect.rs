//! Calls of processes on the node, before there is a packet.

use crate::node::{HERE, HOST, TASK, THERE, be, memory, socket};
use lb_abi::service::{Frontend, Port, TARGETS, TargetKey};
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::model::Memory;
use lb_datapath::socket_lb::{Address, Socket, asked, connect, mapped, send, unserved};
use std::net::{Ipv4Addr, Ipv6Addr};

const PORT: Be16 = Be16::new(8080);
const TARGET: Be16 = Be16::new(80);

fn v4(address: Ipv4Addr) -> Address {
    mapped(be(address))
}

fn v6(address: Ipv6Addr) -> Address {
    let [a, b, c, d, e, f, g, h] = address.segments().map(u32::from);
    [a << 16 | b, c << 16 | d, e << 16 | f, g << 16 | h].map(Be32::new)
}

fn called(memory: &Memory, cookie: u64, address: Address) -> Option<(Ipv4Addr, u16)> {
    connect(memory, &socket(cookie, TCP), address, PORT)
        .map(|(address, port)| (Ipv4Addr::from(address.get()), port.get()))
}

#[test]
fn each_connection_goes_to_the_next_task_in_turn_and_is_counted() {
    let memory = memory(TCP);
    for cookie in [1, 3] {
        let first = called(&memory, cookie, v4(Ipv4Addr::LOCALHOST));
        assert_eq!(first, Some((TASK, 80)), "here: its own address and port");
        let second = called(&memory, cookie + 1, v4(HERE));
        assert_eq!(second, Some((THERE, 8080)), "elsewhere: its node");
    }
    assert!(memory.counters.borrow().values().all(|task| task.new == 2));
}

#[test]
fn a_task_of_this_node_is_called_at_its_own_port() {
    for proto in [TCP, UDP] {
        let mut memory = memory(proto);
        let port = Port::new(PORT, proto);
        let own = TargetKey::new(port, 1);
        memory.targets.insert(own, Be16::new(79));
        let first = |memory: &Memory, cookie| {
            let (socket, address) = (socket(cookie, proto), v4(HERE));
            let to = match proto {
                TCP => connect(memory, &socket, address, PORT),
                _ => send(memory, &socket, address, PORT),
            };
            // The second turn is that of the task elsewhere, whose node answers at the published port.
            let elsewhere = connect(memory, &socket, address, PORT);
            assert_eq!(elsewhere, Some((be(THERE), PORT)));
            to
        };
        assert_eq!(first(&memory, 1), Some((be(TASK), TARGET)));
        for frontend in memory.frontends.values_mut() {
            frontend.flags |= TARGETS;
        }
        assert_eq!(first(&memory, 2), Some((be(TASK), Be16::new(79))));
    }
}

#[test]
fn no_call_is_pointed_at_a_port_that_is_withdrawn() {
    for proto in [TCP, UDP] {
        let mut memory = memory(proto);
        for frontend in memory.frontends.values_mut() {
            *frontend = Frontend::new(TARGET, 0, 0, 9);
        }
        for address in [v4(HERE), v4(Ipv4Addr::LOCALHOST)] {
            let socket = socket(1, proto);
            assert_eq!(connect(&memory, &socket, address, PORT), None);
            assert_eq!(send(&memory, &socket, address, PORT), None);
        }
        assert!(memory.calls.borrow().is_empty());
    }
}

#[test]
fn without_a_lease_no_call_is_pointed_anywhere_and_a_socket_keeps_its_task() {
    for proto in [TCP, UDP] {
        let mut memory = memory(proto);
        let address = v4(HERE);
        let first = socket(1, proto);
        assert!(send(&memory, &first, address, PORT).is_some());
        memory.expired = true;
        assert!(send(&memory, &first, address, PORT).is_some(), "its own");
        let second = socket(2, proto);
        assert_eq!(send(&memory, &second, address, PORT), None);
        assert_eq!(connect(&memory, &second, address, PORT), None);
        let pointed = memory.calls.borrow();
        assert!(pointed.keys().all(|call| call.socket == 1));
    }
}

#[test]
fn all_names_of_this_host_are_answered_and_no_other() {
    let memory = memory(TCP);
    for name in [
        v4(Ipv4Addr::LOCALHOST),
        v4(Ipv4Addr::new(127, 9, 9, 9)),
        v4(Ipv4Addr::UNSPECIFIED),
        v4(HERE),
        v6(Ipv6Addr::LOCALHOST),
        v6(Ipv6Addr::UNSPECIFIED),
        v6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
    ] {
        assert!(called(&memory, 1, name).is_some(), "{name:?}");
    }
    let before = memory.clone();
    for name in [
        v4(THERE),
        v4(TASK),
        v4(Ipv4Addr::new(126, 0, 0, 1)),
        v6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 2)),
        v6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0x7f00, 1)),
        v6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0xffff, 0x7f00, 1)),
    ] {
        assert_eq!(called(&memory, 1, name), None, "{name:?}");
    }
    assert!(memory == before, "left a trace");
}

#[test]
fn what_is_not_the_hosts_own_call_is_left_alone() {
    let localhost = v4(Ipv4Addr::LOCALHOST);
    let mut memory = memory(TCP);
    let before = memory.clone();
    let calls = [
        Socket {
            network: HOST + 1,
            ..socket(1, TCP)
        },
        Socket {
            bound: be(Ipv4Addr::LOCALHOST),
            ..socket(1, TCP)
        },
        socket(1, UDP),
    ];
    for socket in calls {
        for call in [connect, send] {
            assert_eq!(call(&memory, &socket, localhost, PORT), None, "{socket:?}");
        }
    }
    assert_eq!(
        connect(&memory, &socket(1, TCP), localhost, Be16::new(8081)),
        None
    );
    assert!(memory == before, "left a trace");
    memory.settings.as_mut().unwrap().network = 0;
    let unknown = Socket {
        network: 0,
        ..socket(1, TCP)
    };
    assert_eq!(
        connect(&memory, &unknown, localhost, PORT),
        None,
        "not known whose"
    );
}

#[test]
fn a_process_is_told_whom_it_asked_for() {
    let memory = memory(TCP);
    let v6 = v6(Ipv6Addr::LOCALHOST);
    called(&memory, 1, v6);
    called(&memory, 2, v4(HERE));
    assert_eq!(asked(&memory, 1, v4(TASK), TARGET), Some((v6, PORT)));
    assert_eq!(asked(&memory, 2, v4(THERE), PORT), Some((v4(HERE), PORT)));
    for (socket, address, port) in [
        (3, v4(TASK), TARGET),
        (1, v4(TASK), PORT),
        (1, v4(THERE), TARGET),
        (1, v6, TARGET),
    ] {
        assert_eq!(asked(&memory, socket, address, port), None);
    }
}

/// As resolvers do, once for each address.
#[test]
fn a_datagram_socket_that_is_only_connected_is_nobodys_client() {
    let memory = memory(UDP);
    for cookie in 1..=4 {
        let to = connect(&memory, &socket(cookie, UDP), v4(HERE), PORT);
        assert!(to.is_some());
    }
    assert!(memory.counters.borrow().values().all(|task| task.new == 0));
}

#[test]
fn datagrams_of_a_socket_stay_with_a_task_as_long_as_it_lives() {
    let mut memory = memory(UDP);
    let to = |memory: &Memory, cookie, address| {
        let to = send(memory, &socket(cookie, UDP), v4(address), PORT);
        to.map(|(address, _)| Ipv4Addr::from(address.get()))
    };
    let localhost = Ipv4Addr::LOCALHOST;
    for _ in 0..3 {
        assert_eq!(to(&memory, 1, localhost), Some(TASK));
        assert_eq!(to(&memory, 2, localhost), Some(THERE));
    }
    assert_eq!(to(&memory, 2, HERE), Some(THERE), "by whichever name");
    assert_eq!(asked(&memory, 2, v4(THERE), PORT), Some((v4(HERE), PORT)));
    let new = |memory: &Memory, task| memory.counters.borrow().get(&task).map(|task| task.new);
    let news = (new(&memory, 1), new(&memory, 2));
    assert_eq!(news, (Some(1), Some(0)), "elsewhere: when it leaves");
    // Only task 1 is left, in a table of its own.
    memory.backends.remove(&2);
    memory.slots.retain(|_, task| *task == 1);
    for frontend in memory.frontends.values_mut() {
        frontend.count = 1;
    }
    assert_eq!(to(&memory, 2, localhost), Some(TASK));
    assert_eq!(new(&memory, 1), Some(2));
}

#[test]
fn unconnected_datagrams_to_the_host_by_ipv6_are_not_served_and_known_for_such() {
    let mut memory = memory(UDP);
    let not_served = |memory: &Memory, proto, name, port| {
        let before = memory.clone();
        let unserved = unserved(memory, &socket(1, proto), name, port);
        assert!(*memory == before, "left a trace");
        unserved
    };
    for name in [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED] {
        assert!(not_served(&memory, UDP, v6(name), PORT), "{name}");
        assert!(
            !not_served(&memory, UDP, v6(name), Be16::new(8081)),
            "{name}"
        );
        assert!(!not_served(&memory, TCP, v6(name), PORT), "{name}");
    }
    let other = v6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    assert!(!not_served(&memory, UDP, other, PORT));
    // A process of the host listens there, or nobody does.
    let mut left = memory.clone();
    for frontend in left.frontends.values_mut() {
        frontend.count = 0;
    }
    assert!(!not_served(&left, UDP, v6(Ipv6Addr::LOCALHOST), PORT));
    memory.expired = true;
    assert!(!not_served(&memory, UDP, v6(Ipv6Addr::LOCALHOST), PORT));
}
