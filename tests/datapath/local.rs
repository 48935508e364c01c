//! Tasks of the receiving node: addressed by tc, answered in the node's name. Expected
//! frames are built anew, checksums included: nothing of the datapath's own is trusted.

use lb_abi::counters::Counters;
use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;

use crate::frames::{Draft, at, client, tcp, udp};
use crate::lab::{Lab, lab, node};
use crate::read::read;
use crate::states::{address_of, here, publish};
use crate::world::{BridgeTc, UplinkTc, UplinkXdp, World};

fn serving(lab: &Lab) -> World {
    let mut world = World::new(lab, 1);
    world.change(|state| {
        publish(state, TCP, 8080, 80, &[here(1)]);
        publish(state, UDP, 5353, 53, &[here(1)]);
    });
    world
}

/// Loose source routing, no-operation, end: 8 bytes.
const IP_OPTIONS: [u8; 8] = [0x83, 0x06, 0x04, 0, 0, 0, 1, 0];
/// MSS 1460, SACK permitted, no-operation twice.
const TCP_OPTIONS: [u8; 8] = [2, 4, 5, 0xb4, 4, 2, 1, 1];

#[test]
fn a_packet_is_addressed_to_the_task_and_the_reply_to_the_client() {
    type Shape = fn(Draft) -> Draft;
    let kinds: [(&str, Shape); 7] = [
        ("nothing else", |draft| draft),
        ("even payload", |draft| draft.payload(&[0xab; 64])),
        ("odd payload", |draft| draft.payload(&[0xff; 33])),
        ("full size", |draft| draft.payload(&[0x5a; 1400])),
        ("IPv4 options", |draft| {
            draft.ip_options(&IP_OPTIONS).payload(b"abc")
        }),
        ("most IPv4 options", |draft| draft.ip_options(&[1; 40])),
        ("DSCP and ECN", |draft| draft.tos(0xb9)),
    ];
    lab(|lab| {
        let mut world = serving(lab);
        for ((what, shape), port) in kinds.into_iter().zip(1000..) {
            let us = client(port);
            let exchanges = [
                (
                    tcp(us, at(node(1), 8080), "S"),
                    tcp(us, at(address_of(1), 80), "S"),
                ),
                (
                    tcp(us, at(node(1), 8080), "PA"),
                    tcp(us, at(address_of(1), 80), "PA"),
                ),
                (udp(us, at(node(1), 5353)), udp(us, at(address_of(1), 53))),
            ];
            for (sent, expected) in exchanges {
                let sent = shape(sent).frame();
                assert_eq!(
                    world.send(UplinkXdp, &sent),
                    (Verdict::Pass, sent.clone()),
                    "{what}"
                );
                let (verdict, frame) = world.send(UplinkTc, &sent);
                assert_eq!(
                    (verdict, &frame),
                    (Verdict::Bridge, &shape(expected).frame()),
                    "{what}"
                );
                assert_eq!(read(&frame).from, us, "{what}");
            }
            let replies = [
                (
                    tcp(at(address_of(1), 80), us, "SA"),
                    tcp(at(node(1), 8080), us, "SA"),
                ),
                (udp(at(address_of(1), 53), us), udp(at(node(1), 5353), us)),
            ];
            for (sent, expected) in replies {
                let got = world.send(BridgeTc, &shape(sent).frame());
                assert_eq!(got, (Verdict::Uplink, shape(expected).frame()), "{what}");
            }
        }
    });
}

#[test]
fn where_xdp_is_missing_tc_does_all_of_it() {
    lab(|lab| {
        let mut world = serving(lab);
        let (verdict, frame) =
            world.send(UplinkTc, &tcp(client(1), at(node(1), 8080), "S").frame());
        assert_eq!(verdict, Verdict::Bridge);
        assert_eq!(frame, tcp(client(1), at(address_of(1), 80), "S").frame());
        assert_eq!(world.counted(1).new, 1);
    });
}

#[test]
fn a_local_connection_keeps_its_segment_size() {
    lab(|lab| {
        let mut world = serving(lab);
        let syn = tcp(client(1), at(node(1), 8080), "S").tcp_options(&TCP_OPTIONS);
        assert_eq!(read(&world.receive(&syn.frame()).1).options, TCP_OPTIONS);
        let answer = tcp(at(address_of(1), 80), client(1), "SA").tcp_options(&TCP_OPTIONS);
        assert_eq!(
            read(&world.send(BridgeTc, &answer.frame()).1).options,
            TCP_OPTIONS
        );
    });
}

#[test]
fn a_datagram_without_a_checksum_gets_none() {
    let bare = |draft: Draft| {
        let mut frame = draft.frame();
        frame[40..42].fill(0);
        frame
    };
    lab(|lab| {
        let mut world = serving(lab);
        let got = world.receive(&bare(udp(client(1), at(node(1), 5353))));
        assert_eq!(
            got,
            (Verdict::Bridge, bare(udp(client(1), at(address_of(1), 53))))
        );
        let got = world.send(BridgeTc, &bare(udp(at(address_of(1), 53), client(1))));
        assert_eq!(
            got,
            (Verdict::Uplink, bare(udp(at(node(1), 5353), client(1))))
        );
    });
}

/// Zero means "none" on the wire; the sum that is zero is sent as its other form.
#[test]
fn a_checksum_that_comes_out_as_zero_is_sent_as_ones() {
    /// The datagram with such a payload that its checksum is zero.
    fn zero_sum(draft: &Draft) -> [u8; 2] {
        read(&draft.clone().payload(&[0, 0]).frame())
            .checksum
            .to_be_bytes()
    }
    lab(|lab| {
        let mut world = serving(lab);
        let delivered = udp(client(1), at(address_of(1), 53));
        let payload = zero_sum(&delivered);
        let expected = delivered.payload(&payload).frame();
        assert_eq!(read(&expected).checksum, 0xffff);
        let got = world.receive(&udp(client(1), at(node(1), 5353)).payload(&payload).frame());
        assert_eq!(got, (Verdict::Bridge, expected));
        let returned = udp(at(node(1), 5353), client(1));
        let payload = zero_sum(&returned);
        let expected = returned.payload(&payload).frame();
        assert_eq!(read(&expected).checksum, 0xffff);
        let got = world.send(
            BridgeTc,
            &udp(at(address_of(1), 53), client(1))
                .payload(&payload)
                .frame(),
        );
        assert_eq!(got, (Verdict::Uplink, expected));
    });
}

#[test]
fn padding_of_a_short_frame_stays_behind_the_packet() {
    lab(|lab| {
        let mut world = serving(lab);
        let padded = |draft: Draft| {
            let mut frame = draft.frame();
            frame.resize(60, 0xee);
            frame
        };
        let got = world.receive(&padded(tcp(client(1), at(node(1), 8080), "S")));
        assert_eq!(
            got,
            (
                Verdict::Bridge,
                padded(tcp(client(1), at(address_of(1), 80), "S"))
            )
        );
        let sum = world.counted(1);
        assert_eq!(
            (sum.packets_in, sum.bytes_in),
            (1, 40),
            "padding is not counted"
        );
    });
}

#[test]
fn traffic_is_counted_by_packet_of_the_wire() {
    lab(|lab| {
        let mut world = serving(lab);
        let (us, task) = (at(node(1), 8080), at(address_of(1), 80));
        world.receive(&tcp(client(1), us, "S").frame());
        world.send(BridgeTc, &tcp(task, client(1), "SA").frame());
        let mut sum = Counters {
            new: 1,
            packets_in: 1,
            bytes_in: 40,
            packets_out: 1,
            bytes_out: 40,
        };
        assert_eq!(world.counted(1), sum);
        // Three segments of 1000 bytes, merged on their way up: each had headers.
        let merged = tcp(client(1), us, "PA").payload(&[0; 3000]).frame();
        let (verdict, frame) = world.send_merged(UplinkTc, &merged, 3, 1000);
        assert_eq!(verdict, Verdict::Bridge);
        assert_eq!(
            frame,
            tcp(client(1), task, "PA").payload(&[0; 3000]).frame()
        );
        sum.packets_in += 3;
        sum.bytes_in += 3 * 1040;
        let merged = tcp(task, client(1), "PA").payload(&[0; 2500]).frame();
        assert_eq!(
            world.send_merged(BridgeTc, &merged, 2, 1250).0,
            Verdict::Uplink
        );
        sum.packets_out += 2;
        sum.bytes_out += 2 * 1290;
        assert_eq!(world.counted(1), sum);
    });
}

#[test]
fn without_a_bridge_the_kernel_goes_on_with_it() {
    lab(|lab| {
        let mut world = serving(lab);
        world.change(|state| {
            if let Some(settings) = &mut state.settings {
                settings.bridge = 0;
            }
        });
        let syn = tcp(client(1), at(node(1), 8080), "S").frame();
        assert_eq!(world.receive(&syn), (Verdict::Pass, syn));
    });
}
