//! Tunnel packets that are not to be believed: not opened, or dropped with a reason.

use lb_abi::TCP;
use lb_abi::counters::Reason;
use lb_datapath::Verdict;

use crate::frames::{Patch, at, client, patched, tcp, udp};
use crate::hooks::sealed;
use crate::lab::{Lab, lab, mac, node};
use crate::pair::Pair;
use crate::states::{SECOND, TUNNEL, address_of, key, publish, there};
use crate::world::{UplinkTc, UplinkXdp, World};

/// A good tunnel packet on its way to node 2.
fn good(pair: &mut Pair) -> Vec<u8> {
    pair.enter(&tcp(client(9), at(node(1), 8080), "S").frame())
}

/// Both hooks drop it, for this reason, and remember nothing.
#[track_caller]
fn dropped(world: &mut World, what: &str, frame: &[u8], reason: Reason) {
    for kind in [UplinkXdp, UplinkTc] {
        let before = (world.dropped(reason), world.tables().clone());
        let (verdict, _) = world.send(kind, frame);
        assert_eq!(verdict, Verdict::Drop(reason), "{what}, {}", kind.as_str());
        assert_eq!(world.dropped(reason), before.0 + 1, "{what}: counted");
        assert!(*world.tables() == before.1, "{what}: left a trace");
    }
}

fn in_pair(test: impl FnOnce(Pair) + Send) {
    lab(|lab: &Lab| test(Pair::new(lab, true)));
}

#[test]
fn what_is_not_our_tunnel_is_untouched() {
    in_pair(|mut pair| {
        let good = good(&mut pair);
        let stranger = [192, 0, 2, 1];
        let cases: [(&str, &[Patch<'_>]); 16] = [
            ("from a stranger", &[(26, &stranger)]),
            ("from the client", &[(26, &[203, 0, 113, 7])]),
            ("from itself", &[(26, &node(2).octets())]),
            ("to another port", &[(36, &(TUNNEL + 1).to_be_bytes())]),
            ("to another address of the node", &[(30, &SECOND.octets())]),
            ("to another node", &[(30, &node(1).octets())]),
            ("to another MAC address", &[(0, &mac(node(1)))]),
            ("not UDP", &[(23, &[6])]),
            ("a fragment", &[(20, &[0x20, 0])]),
            ("IPv4 options", &[(14, &[0x46])]),
            ("another version of Geneve", &[(42, &[0x43])]),
            ("more options", &[(42, &[0x06])]),
            ("a control packet", &[(43, &[0x80])]),
            ("Ethernet inside", &[(44, &[0x65, 0x58])]),
            ("another option class", &[(50, &[0x01, 0x02])]),
            ("another kind of option", &[(52, &[4])]),
        ];
        for (what, changes) in cases {
            pair.home.untouched(what, &patched(&good, changes));
        }
        pair.home
            .untouched("another length of option", &patched(&good, &[(53, &[1])]));
        let noise = udp(at(node(1), 1), at(node(2), TUNNEL)).with_mac(mac(node(2)));
        pair.home
            .untouched("a peer's other datagram", &noise.frame());
        pair.home
            .untouched("a peer's empty datagram", &noise.payload(&[]).frame());
        assert_eq!(pair.home.receive(&good).0, Verdict::Bridge);
    });
}

#[test]
fn the_critical_bit_of_the_option_changes_nothing() {
    in_pair(|mut pair| {
        let good = good(&mut pair);
        assert_eq!(
            pair.home.receive(&patched(&good, &[(52, &[0x81])])).0,
            Verdict::Bridge
        );
    });
}

#[test]
fn a_flow_for_a_task_that_is_not_here_is_dropped() {
    in_pair(|mut pair| {
        let good = good(&mut pair);
        let world = &mut pair.home;
        let unknown = Reason::UnknownTask;
        let of = |patches: &[Patch<'_>]| sealed(patched(&good, patches), 1);
        dropped(
            world,
            "a wrong key",
            &of(&[(54, &key(2).to_be_bytes())]),
            unknown,
        );
        dropped(world, "no key", &of(&[(54, &[0; 8])]), unknown);
        // Destination port of the packet inside: 70 + 20 + 2.
        dropped(
            world,
            "a port that is not published",
            &of(&[(92, &[0, 81])]),
            unknown,
        );
        // Source of the packet inside.
        dropped(
            world,
            "a client that nobody can answer",
            &of(&[(82, &[127, 0, 0, 1])]),
            unknown,
        );
        world.change(|state| publish(state, TCP, 8080, 80, &[there(1, node(1))]));
        dropped(world, "a task elsewhere", &good, unknown);
    });
}

#[test]
fn what_cannot_be_understood_inside_is_dropped() {
    in_pair(|mut pair| {
        let good = good(&mut pair);
        let cases: [(&str, &[Patch<'_>]); 8] = [
            ("IPv6", &[(70, &[0x60])]),
            ("a short header", &[(70, &[0x44])]),
            ("a header beyond the packet", &[(70, &[0x4f])]),
            ("longer than the frame", &[(72, &[0, 41])]),
            ("shorter than its headers", &[(72, &[0, 39])]),
            ("a later fragment", &[(76, &[0, 185])]),
            ("GRE", &[(79, &[47])]),
            ("a short TCP header", &[(102, &[0x40])]),
        ];
        for (what, changes) in cases {
            for way in [1, 2] {
                let frame = patched(&patched(&good, changes), &[(52, &[way])]);
                let frame = sealed(frame, 1);
                dropped(&mut pair.home, what, &frame, Reason::BadTunnel);
            }
        }
    });
}

#[test]
fn icmp_inside_that_is_no_error_is_left_to_tc_and_dropped_there() {
    in_pair(|mut pair| {
        let good = good(&mut pair);
        for way in [1, 2] {
            let frame = sealed(patched(&good, &[(79, &[1]), (52, &[way])]), 1);
            assert_eq!(pair.home.send(UplinkXdp, &frame).0, Verdict::Pass);
            let (verdict, _) = pair.home.send(UplinkTc, &frame);
            assert_eq!(verdict, Verdict::Drop(Reason::BadTunnel));
        }
    });
}

#[test]
fn a_tunnel_packet_cut_short_is_never_delivered() {
    in_pair(|mut pair| {
        let good = good(&mut pair);
        for length in 0..good.len() {
            let cut = good[..length].to_vec();
            pair.home.untouched(&format!("{length} bytes"), &cut);
            if length < 42 {
                continue;
            }
            // As if it had been sent that short: the headers up to UDP agree with it.
            let total = u16::try_from(length - 14).unwrap().to_be_bytes();
            let consistent = patched(&cut, &[(16, &total)]);
            if length < 70 {
                pair.home
                    .untouched(&format!("{length} bytes, consistent"), &consistent);
            } else {
                dropped(
                    &mut pair.home,
                    &format!("{length} bytes"),
                    &consistent,
                    Reason::BadTunnel,
                );
            }
        }
    });
}

#[test]
fn only_answers_to_flows_of_this_node_go_out_in_its_name() {
    in_pair(|mut pair| {
        let task = at(address_of(1), 80);
        pair.deliver(&tcp(client(9), at(node(1), 8080), "S").frame());
        let answer = pair.leave(&tcp(task, client(9), "SA").frame());
        let world = &mut pair.ingress;
        let unknown = Reason::UnknownTask;
        let of = |patches: &[Patch<'_>]| sealed(patched(&answer, patches), 2);
        // The client's port inside: 70 + 20 + 2.
        dropped(world, "of no flow", &of(&[(92, &[0, 10])]), unknown);
        let name = of(&[(82, &[192, 0, 2, 1])]);
        dropped(world, "in the name of another host", &name, unknown);
        world.send(UplinkXdp, &answer);
        // While the flow is opening, that one may have been its task before.
        let late = Reason::LateAnswer;
        dropped(
            world,
            "of another task",
            &sealed(patched(&answer, &[(54, &key(2).to_be_bytes())]), 2),
            late,
        );
        // Nor does it end a flow of one: byte 13 of the TCP header has the flags.
        world.change(|state| {
            let (task, backend) = there(2, node(2));
            state.backends.insert(task, backend);
        });
        let before = world.tables().flows.clone();
        let reset = of(&[(54, &key(2).to_be_bytes()), (103, &[0x04])]);
        dropped(world, "a reset of another task", &reset, late);
        assert_eq!(world.tables().flows, before);
        assert_eq!(world.receive(&answer).0, Verdict::Uplink);
        // The home node knows the flow too, but is not where the client came in.
        let back = [
            (26, &node(1).octets()[..]),
            (30, &node(2).octets()),
            (0, &mac(node(2))),
        ];
        let back = sealed(patched(&answer, &back), 1);
        dropped(&mut pair.home, "of another node's flow", &back, unknown);
    });
}
