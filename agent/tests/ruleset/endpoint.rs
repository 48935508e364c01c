//! Containers that send under the address of another one, at ports of a bridge.

use crate::arrival::{MOMENT, PATIENCE, assert_count, becomes, receive};
use crate::namespace::{in_namespace, run};
use crate::neighbour::{index, neighbour};
use crate::ruleset::{device, put};
use agent::kernel::ipvs::ruleset::*;
use lb_core::backend::ipvs::Element;
use lb_netlink::nft;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc::channel;
use std::time::Duration;

const HOST: [u8; 4] = [10, 9, 0, 254];
const TASK: [u8; 4] = [10, 9, 0, 2];
const ANOTHER: [u8; 4] = [10, 9, 0, 3];

/// What the container is to do.
enum Order {
    /// Send a datagram from this address.
    Send([u8; 4]),
    /// Forget where its neighbours are.
    Forget,
}

#[test]
fn a_container_sends_nothing_under_the_address_of_a_task_behind_another_port() {
    in_namespace("containers under others' addresses", |netlink| {
        device();
        let (order, orders) = channel();
        let (done, waits) = channel();
        neighbour(
            "port0",
            &["10.9.0.2/24", "10.9.0.3/24"],
            "10.9.0.254",
            move || {
                for order in orders {
                    match order {
                        Order::Send(from) => {
                            let socket = UdpSocket::bind((Ipv4Addr::from(from), 0)).unwrap();
                            socket.send_to(b"x", (Ipv4Addr::from(HOST), 4000)).unwrap();
                        }
                        Order::Forget => drop(run("ip", &["neighbour", "flush", "all"])),
                    }
                    done.send(()).unwrap();
                }
            },
        );
        run("ip", &["address", "flush", "dev", "port0"]);
        run("ip", &["link", "add", "bridge0", "type", "bridge"]);
        run("ip", &["link", "set", "port0", "master", "bridge0"]);
        run("ip", &["address", "add", "10.9.0.254/24", "dev", "bridge0"]);
        run("ip", &["link", "set", "bridge0", "up"]);
        let socket = UdpSocket::bind((Ipv4Addr::from(HOST), 4000)).unwrap();
        let arrives = |from: [u8; 4], patience: Duration| {
            order.send(Order::Send(from)).unwrap();
            waits.recv().unwrap();
            receive(&socket, patience)
                .inspect(|(sender, _)| assert_eq!(sender.ip(), Ipv4Addr::from(from)))
                .is_some()
        };
        let behind = |port| Elements::from_iter([Element::Endpoint(TASK.into(), port)]);
        let lease = || lease(Duration::from_secs(60));
        put(netlink, &Elements::default());
        nft::apply(netlink, &lease()).unwrap();
        assert!(arrives(TASK, PATIENCE), "nothing is known of the task");
        put(netlink, &behind(index("port0")));
        assert!(arrives(TASK, PATIENCE), "it is behind this port");

        put(netlink, &behind(index("port0") + 1));
        assert!(!arrives(TASK, MOMENT), "it is behind another port");
        assert_count(netlink, "spoofed", 1);
        assert!(arrives(ANOTHER, PATIENCE), "its own address");
        order.send(Order::Forget).unwrap();
        waits.recv().unwrap();
        assert!(!arrives(TASK, MOMENT));
        // It asks for its neighbour.
        becomes(
            || counts(netlink).unwrap()["spoofed"],
            |spoofed| *spoofed >= 2,
        );
        assert!(arrives(ANOTHER, PATIENCE), "its own address asks, too");

        let over = nft::Change::Flush(LEASE_BRIDGE);
        nft::apply(netlink, &[over]).unwrap();
        assert!(arrives(TASK, PATIENCE), "nobody knows any more who has it");
    });
}

#[test]
fn whether_there_are_rules_for_bridges_is_tried_and_leaves_nothing() {
    in_namespace("rules for bridges", |netlink| {
        probe(netlink).unwrap();
        assert_eq!(run("nft", &["list", "tables"]), "");
    });
}
