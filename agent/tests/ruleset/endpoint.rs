//! Containers that send under the address of another one, at ports of a bridge.

use crate::namespace::{in_namespace, run};
use crate::neighbour::{index, neighbour};
use crate::ruleset::{count, device, put};
use agent::kernel::ipvs::ruleset::*;
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
        let arrives = |from: [u8; 4], patience: u64| {
            order.send(Order::Send(from)).unwrap();
            waits.recv().unwrap();
            let patience = Duration::from_millis(patience);
            socket.set_read_timeout(Some(patience)).unwrap();
            match socket.recv_from(&mut [0]) {
                Ok((_, sender)) => {
                    assert_eq!(sender.ip(), Ipv4Addr::from(from));
                    true
                }
                Err(_) => false,
            }
        };
        let behind = |port| Elements {
            endpoints: [Endpoint {
                address: TASK.into(),
                port,
            }]
            .into(),
            ..Elements::default()
        };
        let lease = || lease(Duration::from_secs(60));
        put(netlink, &Elements::default());
        nft::apply(netlink, &lease()).unwrap();
        assert!(arrives(TASK, 5000), "nothing is known of the task");
        put(netlink, &behind(index("port0")));
        assert!(arrives(TASK, 5000), "it is behind this port");

        put(netlink, &behind(index("port0") + 1));
        assert!(!arrives(TASK, 300), "it is behind another port");
        assert_eq!(count(netlink, "spoofed"), 1, "the datagram");
        assert!(arrives(ANOTHER, 5000), "its own address");
        order.send(Order::Forget).unwrap();
        waits.recv().unwrap();
        assert!(!arrives(TASK, 300));
        assert!(count(netlink, "spoofed") >= 2, "it asks for its neighbour");
        assert!(arrives(ANOTHER, 5000), "its own address asks, too");

        let over = nft::Change::Flush(LEASE_BRIDGE);
        nft::apply(netlink, &[over]).unwrap();
        assert!(arrives(TASK, 5000), "nobody knows any more who has it");
    });
}

#[test]
fn whether_there_are_rules_for_bridges_is_tried_and_leaves_nothing() {
    in_namespace("rules for bridges", |netlink| {
        probe(netlink).unwrap();
        assert_eq!(run("nft", &["list", "tables"]), "");
    });
}
