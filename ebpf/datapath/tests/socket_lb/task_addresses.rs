//! Calls of processes on the node for tasks themselves: by IPv6, and by IPv4 on a node without IPv6.

use crate::node::{HERE, HOST, ROUTER, TASK, THERE, be, memory, socket};
use lb_abi::service::{ADDRESSED, ROUTED};
use lb_abi::settings::TASKS_BY_IPV4;
use lb_abi::sock_rev_nat::address_of;
use lb_abi::{Be16, TCP, UDP};
use lb_datapath::model::Memory;
use lb_datapath::socket_lb::{Address, Socket, asked, connect, mapped, names_task, send};
use std::net::Ipv4Addr;

/// Port on which tasks listen; nobody publishes it.
const OWN: Be16 = Be16::new(9000);
/// Nobody's address.
const FREE: Ipv4Addr = Ipv4Addr::new(253, 255, 255, 255);

/// The IPv4 address that stands for task `n`.
fn by_ipv4(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(252, 0, 1, n)
}

/// A node without IPv6, whose processes may call tasks 1 and 2; task 3 is gone.
fn without_ipv6() -> Memory {
    let mut memory = memory(TCP);
    memory.settings.as_mut().unwrap().flags = TASKS_BY_IPV4;
    for backend in memory.backends.values_mut() {
        backend.flags |= ADDRESSED;
    }
    let addresses = [1, 2, 3].map(|n| (u32::from(by_ipv4(n)), u64::from(n)));
    memory.task_addresses = addresses.into();
    memory
}

fn v4(address: Ipv4Addr) -> Address {
    mapped(be(address))
}

fn called(memory: &Memory, cookie: u64, address: Address) -> Option<(Ipv4Addr, u16)> {
    connect(memory, &socket(cookie, TCP), address, OWN)
        .map(|(address, port)| (Ipv4Addr::from(address.get()), port.get()))
}

#[test]
fn a_socket_is_pointed_at_the_task_that_it_names_and_believes_it_has_that_address() {
    let memory = without_ipv6();
    for (cookie, task, to) in [(1, 1, TASK), (2, 2, THERE)] {
        for address in [v4(by_ipv4(task)), address_of(task.into())] {
            assert_eq!(called(&memory, cookie, address), Some((to, 9000)));
            assert_eq!(asked(&memory, cookie, v4(to), OWN), Some((address, OWN)));
        }
    }
    let calls = memory.calls.borrow();
    assert!(calls.values().all(|called| called.own == 1));
    assert!(memory.counters.borrow().values().all(|task| task.new == 2));
}

#[test]
fn what_names_no_task_that_may_be_called_is_pointed_nowhere_and_known_for_such() {
    let mut memory = without_ipv6();
    let before = memory.clone();
    for address in [by_ipv4(3), by_ipv4(4), FREE] {
        assert_eq!(called(&memory, 1, v4(address)), None, "{address}");
        assert!(names_task(&memory, v4(address)), "{address}");
    }
    let to = v4(by_ipv4(1));
    for odd in [
        socket(1, UDP),
        Socket {
            network: HOST + 1,
            ..socket(1, TCP)
        },
        Socket {
            bound: be(Ipv4Addr::LOCALHOST),
            ..socket(1, TCP)
        },
    ] {
        assert_eq!(connect(&memory, &odd, to, OWN), None, "{odd:?}");
        assert_eq!(send(&memory, &odd, to, OWN), None, "{odd:?}");
    }
    assert!(memory == before, "left a trace");
    memory.backends.get_mut(&1).unwrap().flags &= !ADDRESSED;
    assert_eq!(called(&memory, 1, to), None, "its service does not let it");
    memory.backends.get_mut(&1).unwrap().flags |= ROUTED;
    assert_eq!(called(&memory, 1, to), None, "it is the router's");
    assert!(names_task(&memory, to), "and so refused");
    let router = Socket {
        user: ROUTER,
        ..socket(1, TCP)
    };
    assert_eq!(connect(&memory, &router, to, OWN), Some((be(TASK), OWN)));
}

#[test]
fn other_addresses_stand_for_no_task_and_on_a_node_with_ipv6_no_ipv4_address_does() {
    let mut memory = without_ipv6();
    for address in [
        Ipv4Addr::new(251, 255, 255, 255),
        Ipv4Addr::new(254, 0, 0, 0),
        Ipv4Addr::BROADCAST,
        Ipv4Addr::LOCALHOST,
        HERE,
    ] {
        assert!(!names_task(&memory, v4(address)), "{address}");
    }
    // IPv6 addresses with these bits.
    let [zero, _, prefix, low] = v4(by_ipv4(1));
    for address in [[zero, zero, zero, low], [low, zero, prefix, low]] {
        assert!(!names_task(&memory, address), "{address:?}");
    }
    memory.settings.as_mut().unwrap().flags = 0;
    for address in [by_ipv4(1), FREE] {
        assert!(!names_task(&memory, v4(address)), "{address}");
        assert_eq!(called(&memory, 1, v4(address)), None, "{address}");
    }
    assert!(names_task(&memory, address_of(1)));
}
