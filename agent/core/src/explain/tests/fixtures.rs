//! A node with two tasks, and questions to it.

use crate::explain::{FrontendQuery, explain};
use crate::model::ids::{Key, TaskId};
use crate::model::node::Node;
use crate::report::Explanation;
use crate::report::build::tests::{swarm, this};
use lb_abi::flow::{Flow, Tuple};
use lb_abi::service::{Backend, Frontend, LOCAL, Port, REMOTE, Slot};
use lb_abi::settings::{Settings, Uplink};
use lb_abi::tunnel::TokenKeys;
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::model::Memory;
use std::net::Ipv4Addr;
use zerocopy::FromZeros;

pub(super) fn be(last: u8) -> Be32 {
    Be32::new(Ipv4Addr::new(192, 0, 2, last).into())
}

fn key(task: &str) -> u64 {
    Key::from(&TaskId::from(task)).0
}

/// On node alpha: vote's first task is here, its second on beta; the turn is at 7.
pub(super) fn memory() -> Memory {
    let mut settings = Settings::new_zeroed();
    settings.node = be(1);
    settings.tunnel_port = Be16::new(6081);
    (settings.uplink, settings.mtu, settings.bridge) = (2, 1500, 3);
    settings.mac = [2, 0, 0, 0, 0, 9];
    let mut memory = Memory {
        settings: Some(settings),
        uplinks: [(2, Uplink::new([2, 0, 0, 0, 0, 9]))].into(),
        addresses: [be(1).get()].into(),
        peers: [(be(2).get(), TokenKeys::default())].into(),
        now: 1_000,
        ..Memory::default()
    };
    for (number, proto) in [(8080, TCP), (9000, UDP)] {
        let port = Port::new(Be16::new(number), proto);
        memory
            .frontends
            .insert(port, Frontend::new(Be16::new(80), 2, 4, Key::of("a").0));
        memory.turns.get_mut().insert(port, 7);
    }
    for (index, task) in (0..).zip(["t9", "t7"]) {
        memory.slots.insert(Slot { table: 4, index }, key(task));
    }
    let here = Ipv4Addr::new(172, 18, 0, 3);
    for (task, address, place) in [("t9", Be32::new(here.into()), LOCAL), ("t7", be(2), REMOTE)] {
        let backend = Backend::new(address, place, Key::of("a").0);
        memory.backends.insert(key(task), backend);
    }
    memory
}

/// From 203.0.113.7:`port` to 192.0.2.1:8080/tcp.
pub(super) fn flow(memory: &mut Memory, port: u16, task: &str, state: u32, peer: Be32) {
    let tuple = Tuple {
        source: Be32::new(Ipv4Addr::new(203, 0, 113, 7).into()),
        destination: be(1),
        source_port: Be16::new(port),
        destination_port: Be16::new(8080),
        proto: TCP,
        zero: [0; 3],
    };
    let flow = Flow {
        state,
        seen: 990,
        ..Flow::new(key(task), peer)
    };
    memory.flows.get_mut().insert(tuple, flow);
}

pub(super) fn ask(memory: &Memory, client: &str, frontend: &str) -> Explanation {
    let this = Node {
        address: Some(Ipv4Addr::new(192, 0, 2, 1)),
        ..this()
    };
    let before = memory.clone();
    let frontend: FrontendQuery = frontend.parse().unwrap();
    let question = frontend
        .resolve(client.parse().unwrap(), &swarm(), &this)
        .unwrap();
    let told = explain(&swarm(), &this, memory, &question);
    assert_eq!(*memory, before, "an explanation changes nothing");
    told
}
