//! Tasks on another node: what the tunnel carries, there and back.

use std::collections::BTreeSet;

use lb_abi::Be32;
use lb_abi::counters::Counters;
use lb_datapath::Verdict;
use siphasher::sip::SipHasher13;

use crate::frames::{Draft, at, client, tcp, udp};
use crate::lab::{GATEWAY, lab, mac, node};
use crate::pair::{Pair, pairs};
use crate::read::read;
use crate::states::{TUNNEL, address_of, key};
use crate::world::{UplinkTc, UplinkXdp};

/// Ethernet header and what the tunnel puts before the packet.
const INNER: usize = 14 + 56;

/// Checks every field of a tunnelled frame; returns the outer source port and the packet inside.
#[track_caller]
pub(crate) fn open(frame: &[u8], from: u8, to: u8, way: u8, tos: u8) -> (u16, &[u8]) {
    let inner = &frame[INNER..];
    let length = u16::try_from(inner.len()).unwrap();
    let outer = read(frame); // the IPv4 checksum is right
    let source_port = outer.from.port();
    let mut expected = Vec::new();
    expected.extend([0x08, 0x00, 0x45, tos]);
    expected.extend((length + 56).to_be_bytes());
    expected.extend([0, 0, 0x40, 0x00, 64, 17]); // no id; don't fragment; ttl; UDP
    expected.extend(&frame[24..26]);
    expected.extend(node(from).octets());
    expected.extend(node(to).octets());
    expected.extend(source_port.to_be_bytes());
    expected.extend(TUNNEL.to_be_bytes());
    expected.extend((length + 36).to_be_bytes());
    expected.extend([0, 0]); // no checksum
    expected.extend([0x05, 0x00, 0x08, 0x00, 0, 0, 7, 0]); // Geneve: 5 words of options, IPv4, epoch
    expected.extend([0xff, 0x5b, way, 4]);
    expected.extend(key(1).to_be_bytes());
    expected.extend(token(frame, from));
    assert_eq!(&frame[12..INNER], expected);
    assert!(source_port >= 0xc000, "{source_port}");
    (source_port, inner)
}

/// The token by the sender's key, as another implementation of `SipHash` computes it.
fn token(frame: &[u8], from: u8) -> [u8; 8] {
    let said = [
        &frame[82..90], // addresses inside
        &frame[54..62], // the task's key
        &frame[26..30], // sender
        &frame[52..53], // way
        &frame[79..80], // protocol inside
    ];
    let key = [from; 16];
    SipHasher13::new_with_key(&key)
        .hash(&said.concat())
        .to_le_bytes()
}

#[test]
fn the_packet_travels_unchanged_behind_56_bytes() {
    let drafts: [(u8, Draft); 5] = [
        (0, tcp(client(1000), at(node(1), 8080), "S")),
        (
            0,
            tcp(client(1000), at(node(1), 8080), "S").tcp_options(&[2, 4, 5, 0xb4]),
        ),
        (
            0xb9,
            tcp(client(1000), at(node(1), 8080), "PA")
                .tos(0xb9)
                .payload(&[7; 999]),
        ),
        (0, udp(client(1000), at(node(1), 5353)).ip_options(&[1; 8])),
        (0, udp(client(1000), at(node(1), 5353)).payload(&[])),
    ];
    lab(|lab| {
        pairs(lab, |mut pair| {
            for (tos, draft) in &drafts {
                let sent = draft.frame();
                let frame = pair.enter(&sent);
                assert_eq!(frame[..6], mac(node(2)));
                assert_eq!(open(&frame, 1, 2, 1, *tos).1, &sent[14..]);
            }
        });
    });
}

#[test]
fn xdp_knows_the_next_hop() {
    lab(|lab| {
        let mut pair = Pair::new(lab, true);
        let sent = tcp(client(1000), at(node(1), 8080), "S").frame();
        let (verdict, frame) = pair.ingress.send(UplinkXdp, &sent);
        assert_eq!(verdict, Verdict::Uplink);
        assert_eq!(frame[..12], [mac(node(2)), mac(node(1))].concat());
        pair.deliver(&sent);
        let reply = pair.leave(&tcp(at(address_of(1), 80), client(1000), "SA").frame());
        let (verdict, frame) = pair.ingress.send(UplinkXdp, &reply);
        assert_eq!(verdict, Verdict::Uplink);
        assert_eq!(frame[..12], [mac(GATEWAY), mac(node(1))].concat());
    });
}

#[test]
fn a_flow_has_one_outer_port_and_flows_differ() {
    lab(|lab| {
        let mut pair = Pair::new(lab, true);
        let mut outer = |port, flags| {
            let frame = pair.enter(&tcp(client(port), at(node(1), 8080), flags).frame());
            open(&frame, 1, 2, 1, 0).0
        };
        let ports: BTreeSet<u16> = (1000..1064)
            .map(|port| {
                let first = outer(port, "S");
                assert_eq!(outer(port, "A"), first);
                first
            })
            .collect();
        assert!(
            ports.len() > 56,
            "{} different ports for 64 flows",
            ports.len()
        );
    });
}

#[test]
fn a_tcp_connection_through_two_nodes() {
    let (us, task) = (at(node(1), 8080), at(address_of(1), 80));
    lab(|lab| {
        pairs(lab, |mut pair| {
            let steps: [(bool, &str, &[u8]); 7] = [
                (true, "S", b""),
                (false, "SA", b""),
                (true, "PA", b"GET / HTTP/1.0\r\n\r\n"),
                (false, "PA", &[0x33; 1404]),
                (false, "FA", b""),
                (true, "FA", b""),
                (false, "A", b""),
            ];
            let mut sum = Counters {
                new: 1,
                ..Counters::default()
            };
            for (from_client, flags, payload) in steps {
                let bytes = 40 + payload.len() as u64;
                if from_client {
                    let frame = pair.deliver(&tcp(client(9), us, flags).payload(payload).frame());
                    assert_eq!(
                        frame[14..],
                        tcp(client(9), task, flags).payload(payload).frame()[14..]
                    );
                    sum.packets_in += 1;
                    sum.bytes_in += bytes;
                } else {
                    let sent = tcp(task, client(9), flags).payload(payload).frame();
                    let expected = tcp(us, client(9), flags).payload(payload).frame();
                    assert_eq!(open(&pair.leave(&sent), 2, 1, 2, 0).1, &expected[14..]);
                    assert_eq!(pair.reply(&sent)[14..], expected[14..]);
                    sum.packets_out += 1;
                    sum.bytes_out += bytes;
                }
            }
            assert_eq!(pair.ingress.counted(1), sum);
            assert_eq!(
                pair.home.counted(1),
                Counters::default(),
                "counted where it came in"
            );
            let flows = pair.home.tables().flows.borrow();
            let flow = flows.values().next().unwrap();
            assert_eq!((flow.task, flow.peer), (key(1), Be32::new(node(1).into())));
            let replies = pair.home.tables().replies.borrow();
            let reply = replies.values().next().unwrap();
            assert_eq!(
                (reply.frontend.get(), reply.port.get()),
                (node(1).into(), 8080)
            );
            assert_eq!((flows.len(), replies.len()), (1, 1));
        });
    });
}

#[test]
fn datagrams_through_two_nodes() {
    let (us, task) = (at(node(1), 5353), at(address_of(1), 53));
    lab(|lab| {
        pairs(lab, |mut pair| {
            for payload in [b"a".as_slice(), b"", &[9; 1416]] {
                let frame = pair.deliver(&udp(client(9), us).payload(payload).frame());
                assert_eq!(
                    frame[14..],
                    udp(client(9), task).payload(payload).frame()[14..]
                );
                let frame = pair.reply(&udp(task, client(9)).payload(payload).frame());
                assert_eq!(
                    frame[14..],
                    udp(us, client(9)).payload(payload).frame()[14..]
                );
            }
        });
    });
}

#[test]
fn the_tasks_node_hands_tc_the_clients_own_packet() {
    lab(|lab| {
        let mut pair = Pair::new(lab, true);
        let sent = tcp(client(9), at(node(1), 8080), "S")
            .tcp_options(&[2, 4, 5, 0xb4])
            .frame();
        let tunnelled = pair.enter(&sent);
        let (verdict, frame) = pair.home.send(UplinkXdp, &tunnelled);
        assert_eq!(verdict, Verdict::Pass);
        assert_eq!(frame[..14], tunnelled[..14]);
        assert_eq!(frame[14..], sent[14..]);
        assert_eq!(pair.home.send(UplinkTc, &frame).0, Verdict::Bridge);
    });
}
