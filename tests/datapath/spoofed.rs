//! Containers that send under the address of another one.

use crate::frames::{at, client, patched, tcp, udp};
use crate::hairpin::serving;
use crate::lab::{lab, mac, node};
use crate::states::address_of;
use crate::world::{PortTc, World};
use lb_abi::counters::Reason;
use lb_datapath::Verdict;
use std::net::Ipv4Addr;

/// An ARP packet (RFC 826) of whoever says to have the address `sender`: 1 asks, 2 answers.
fn arp(operation: u8, sender: Ipv4Addr) -> Vec<u8> {
    let mut frame = [[0xff; 6], mac(sender)].concat();
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation]);
    frame.extend(mac(sender));
    frame.extend(sender.octets());
    frame.extend([0; 6]);
    frame.extend(node(1).octets());
    frame
}

/// The task of address `address_of(1)` is behind this port.
fn behind(world: &mut World, port: u32) {
    world.change(|state| {
        state.endpoints.insert(address_of(1), port);
    });
}

#[test]
fn a_container_sends_nothing_under_the_address_of_a_task_behind_another_port() {
    lab(|lab| {
        let mut world = serving(lab, 1);
        let (task, own) = (at(address_of(1), 80), world.link(PortTc));
        let answer = tcp(task, client(1), "SA").frame();
        let frames = [
            ("an answer", answer.clone()),
            ("a reset", tcp(task, client(1), "R").frame()),
            ("a datagram", udp(at(address_of(1), 53), client(1)).frame()),
            ("a later fragment", patched(&answer, &[(20, &[0, 9])])),
            ("a call", tcp(task, at(node(1), 8080), "S").frame()),
            ("a question for a neighbour", arp(1, address_of(1))),
            ("what a neighbour answers", arp(2, address_of(1))),
        ];
        let passes = |world: &mut World, why: &str| {
            for (what, frame) in &frames {
                let verdict = world.send(PortTc, frame).0;
                assert_ne!(verdict, Verdict::Drop(Reason::Spoofed), "{what}: {why}");
            }
        };
        passes(&mut world, "nothing is known of the task");
        behind(&mut world, own);
        passes(&mut world, "its own port");

        behind(&mut world, own + 1);
        for (what, frame) in &frames {
            let expected = (Verdict::Drop(Reason::Spoofed), frame.clone());
            assert_eq!(world.send(PortTc, frame), expected, "{what}");
        }
        assert_eq!(world.dropped(Reason::Spoofed), frames.len() as u64);
        for (what, frame) in [
            ("another address", tcp(client(9), client(1), "S").frame()),
            (
                "another one's neighbour",
                arp(2, Ipv4Addr::new(172, 18, 0, 99)),
            ),
        ] {
            assert_eq!(world.send(PortTc, &frame).0, Verdict::Pass, "{what}");
        }

        world.expire(true);
        passes(&mut world, "the agent that knew is gone");
        world.expire(false);
        world.change(|state| state.endpoints.clear());
        passes(&mut world, "the task is gone");
    });
}
