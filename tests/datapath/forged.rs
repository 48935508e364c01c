//! Forged packets by which a tenant, a process, a stranger on the network or a fallen node would misuse the
//! tunnel: none has an effect, and all are counted.

use std::net::Ipv4Addr;

use lb_abi::counters::Reason;
use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;

use crate::frames::{Draft, Patch, at, client, patched, tcp, udp};
use crate::hooks::{around, sealed};
use crate::lab::{Lab, lab, mac, node};
use crate::pair::Pair;
use crate::states::{SECOND, TUNNEL, address_of, another, here, key, publish, there, token_keys};
use crate::world::{UplinkEgress, UplinkTc, UplinkXdp, World};

fn in_pair(test: impl FnOnce(Pair) + Send) {
    lab(|lab: &Lab| test(Pair::new(lab, true)));
}

/// Both hooks of the uplink drop it, for this reason, and remember nothing.
#[track_caller]
fn dropped(world: &mut World, what: &str, frame: &[u8], reason: Reason) {
    for kind in [UplinkXdp, UplinkTc] {
        let before = world.tables().clone();
        assert_eq!(world.send(kind, frame).0, Verdict::Drop(reason), "{what}");
        assert!(*world.tables() == before, "{what}: left a trace");
    }
}

/// A tunnel packet from node 1 to node 2 for `task`, with `inner` in it, as node 1 would seal it.
fn told(pair: &mut Pair, task: u8, inner: &[u8]) -> Vec<u8> {
    let good = pair.enter(&tcp(client(999), at(node(1), 8080), "S").frame());
    let outer = patched(&good[..70], &[(54, &key(task).to_be_bytes())]);
    around(&outer, inner, 1)
}

#[test]
fn a_packet_whose_token_does_not_fit_is_dropped_whatever_of_it_was_changed() {
    in_pair(|mut pair| {
        let good = pair.enter(&udp(client(9), at(node(1), 5353)).frame());
        let cases: [(&str, &[Patch<'_>]); 7] = [
            ("no token", &[(62, &[0; 8])]),
            ("a token that is off by a bit", &[(69, &[good[69] ^ 1])]),
            ("another way", &[(52, &[2])]),
            ("another task", &[(54, &key(2).to_be_bytes())]),
            ("another client", &[(82, &[203, 0, 113, 66])]),
            ("another address called", &[(86, &[192, 0, 2, 7])]),
            ("another epoch", &[(48, &[good[48] ^ 1])]),
        ];
        for (what, changes) in cases {
            dropped(
                &mut pair.home,
                what,
                &patched(&good, changes),
                Reason::BadToken,
            );
        }
        let by_another_key = sealed(good.clone(), 3);
        dropped(
            &mut pair.home,
            "another node's key",
            &by_another_key,
            Reason::BadToken,
        );
        // A node whose keys are not known is not believed, whatever it says.
        pair.home.change(|state| {
            state
                .peers
                .insert(node(1), lb_abi::tunnel::TokenKeys::default());
        });
        dropped(
            &mut pair.home,
            "a node without keys",
            &good,
            Reason::BadToken,
        );
        pair.home.change(|state| {
            state.peers.insert(node(1), token_keys(1));
        });
        assert_eq!(pair.home.receive(&good).0, Verdict::Bridge);
    });
}

#[test]
fn keys_of_two_epochs_are_good_and_no_others() {
    in_pair(|mut pair| {
        let sent = |pair: &mut Pair, epoch: u32| {
            pair.ingress
                .change(|state| state.settings.as_mut().unwrap().epoch = epoch);
            pair.enter(&udp(client(9), at(node(1), 5353)).frame())
        };
        let (this, next) = (sent(&mut pair, 7), sent(&mut pair, 8));
        assert_ne!(this[62..70], next[62..70]);
        for frame in [&this, &next] {
            assert_eq!(pair.home.receive(frame).0, Verdict::Bridge);
        }
        // The node's next keys: that of epoch 8, and that of epoch 9.
        let [even, _] = token_keys(1).keys;
        let later = lb_abi::tunnel::TokenKeys {
            keys: [even, token_keys(5).keys[1]],
        };
        pair.home.change(|state| {
            state.peers.insert(node(1), later);
        });
        dropped(
            &mut pair.home,
            "an epoch that is over",
            &this,
            Reason::BadToken,
        );
        assert_eq!(pair.home.receive(&next).0, Verdict::Bridge);
    });
}

#[test]
fn what_this_nodes_programs_did_not_make_never_leaves_towards_a_tunnel() {
    in_pair(|mut pair| {
        let good = pair.enter(&udp(client(9), at(node(1), 5353)).frame());
        let out = |frame: &[u8]| patched(frame, &[(0, &mac(node(2)))]);
        // Made here, on its way.
        assert_eq!(
            pair.ingress.send(UplinkEgress, &out(&good)).0,
            Verdict::Pass
        );
        let forged = patched(&good, &[(62, &[7; 8])]);
        let noise = udp(at(node(1), 5000), at(node(2), TUNNEL)).frame();
        let container = udp(at(address_of(9), 5000), at(node(2), TUNNEL)).frame();
        for (what, frame) in [
            ("forged", &forged),
            ("something else", &noise),
            ("forwarded for a container", &container),
            ("of another node", &sealed(good.clone(), 2)),
        ] {
            let (verdict, _) = pair.ingress.send(UplinkEgress, &out(frame));
            assert_eq!(verdict, Verdict::Drop(Reason::NotOurs), "{what}");
        }
        // What is no node of the Swarm is nobody's business.
        let elsewhere = udp(at(node(1), 5000), at(Ipv4Addr::new(192, 0, 2, 9), TUNNEL)).frame();
        assert_eq!(pair.ingress.send(UplinkEgress, &elsewhere).0, Verdict::Pass);
        let other_port = udp(at(node(1), 5000), at(node(2), TUNNEL + 1)).frame();
        assert_eq!(
            pair.ingress.send(UplinkEgress, &other_port).0,
            Verdict::Pass
        );
    });
}

#[test]
fn a_container_opens_no_connection_to_another_nodes_agent_and_the_node_itself_does() {
    in_pair(|mut pair| {
        let agent = at(node(2), TUNNEL);
        // Source NAT gives it the node's address.
        let syn = tcp(at(node(1), 40_000), agent, "S").frame();
        let world = &mut pair.ingress;
        assert_eq!(world.forward(&syn).0, Verdict::Drop(Reason::NotOurs));
        assert_eq!(world.send(UplinkEgress, &syn).0, Verdict::Pass);
        let fragment = patched(&syn[..42], &[(16, &[0, 28]), (20, &[0x20, 0])]);
        assert_eq!(world.forward(&fragment).0, Verdict::Drop(Reason::NotOurs));
        let answer = tcp(at(node(1), 40_000), agent, "SA").frame();
        let other_port = tcp(at(node(1), 40_000), at(node(2), TUNNEL + 1), "S").frame();
        let elsewhere = at(Ipv4Addr::new(192, 0, 2, 9), TUNNEL);
        let elsewhere = tcp(at(node(1), 40_000), elsewhere, "S").frame();
        for frame in [answer, other_port, elsewhere] {
            assert_eq!(world.forward(&frame), (Verdict::Pass, frame));
        }
    });
}

#[test]
fn a_port_of_one_service_never_gets_a_task_of_another() {
    in_pair(|mut pair| {
        pair.home
            .change(|state| publish(state, TCP, 443, 4430, &[another(here(2))]));
        let good = tcp(client(9), at(node(1), 443), "S").frame();
        let told = |pair: &mut Pair, task| told(pair, task, &good);
        let (theirs, own) = (told(&mut pair, 1), told(&mut pair, 2));
        dropped(
            &mut pair.home,
            "another service's task",
            &theirs,
            Reason::UnknownTask,
        );
        assert_eq!(pair.home.receive(&own).0, Verdict::Bridge);
    });
}

#[test]
fn a_flow_that_came_to_this_node_is_not_another_nodes_to_give_away() {
    lab(|lab| {
        let mut pair = Pair::new(lab, true);
        let tasks = [here(1), here(2)];
        pair.home
            .change(|state| publish(state, TCP, 8080, 80, &tasks));
        pair.home
            .change(|state| publish(state, UDP, 5353, 53, &tasks));
        let (tcp_to, udp_to) = (at(node(2), 8080), at(node(2), 5353));
        // First the client, then the other node: nothing of the flow changes.
        let from_client = |draft: Draft| draft.with_mac(mac(node(2))).frame();
        pair.home.receive(&from_client(tcp(client(1), tcp_to, "S")));
        pair.home.receive(&from_client(udp(client(1), udp_to)));
        let before = pair.home.tasks();
        for inner in [
            tcp(client(1), tcp_to, "S").frame(),
            tcp(client(1), tcp_to, "R").frame(),
            udp(client(1), udp_to).frame(),
        ] {
            for task in [1, 2] {
                let told = told(&mut pair, task, &inner);
                let (verdict, _) = pair.home.receive(&told);
                assert_eq!(verdict, Verdict::Drop(Reason::OwnFlow));
            }
        }
        assert_eq!(pair.home.tasks(), before);
        // First the other node, then the client: it gets a turn like any other, and answers go to it.
        for task in [1, 2] {
            let port = 40 + u16::from(task);
            for (to, proto) in [(tcp_to, TCP), (udp_to, UDP)] {
                let asked = from_client(match proto {
                    TCP => tcp(client(port), to, "S"),
                    _ => udp(client(port), to),
                });
                let told = told(&mut pair, task, &asked);
                pair.home.receive(&told);
                pair.home.receive(&asked);
                let flows = pair.home.tables().flows.borrow();
                let flow = flows
                    .iter()
                    .find(|(tuple, _)| (tuple.source_port.get(), tuple.proto) == (port, proto));
                assert!(flow.unwrap().1.came_here(), "its answers go another way");
            }
        }
    });
}

#[test]
fn what_came_to_one_node_is_that_nodes_to_say() {
    in_pair(|mut pair| {
        // Node 3 says something of a client that called node 1 by its own address.
        pair.home.change(|state| {
            state.peers.insert(node(3), token_keys(3));
        });
        let inner = tcp(client(9), at(node(1), 8080), "S").frame();
        let good = told(&mut pair, 1, &inner);
        let from_third = sealed(patched(&good, &[(26, &node(3).octets())]), 3);
        dropped(
            &mut pair.home,
            "in another's name",
            &from_third,
            Reason::OwnFlow,
        );
        assert_eq!(pair.home.receive(&good).0, Verdict::Bridge);
        // By an address that may go from node to node it is believed.
        let inner = tcp(
            client(9),
            at(SECOND.octets().map(|o| o ^ 1).into(), 8080),
            "S",
        )
        .frame();
        let moved = told(&mut pair, 1, &inner);
        let moved = sealed(patched(&moved, &[(26, &node(3).octets())]), 3);
        assert_eq!(pair.home.receive(&moved).0, Verdict::Bridge);
    });
}

#[test]
fn answers_come_from_the_tasks_own_node() {
    in_pair(|mut pair| {
        let task = at(address_of(1), 80);
        pair.deliver(&tcp(client(9), at(node(1), 8080), "S").frame());
        let answer = pair.leave(&tcp(task, client(9), "SA").frame());
        let world = &mut pair.ingress;
        world.change(|state| {
            state.peers.insert(node(3), token_keys(3));
        });
        let third = sealed(patched(&answer, &[(26, &node(3).octets())]), 3);
        dropped(world, "from another node", &third, Reason::UnknownTask);
        assert_eq!(world.receive(&answer).0, Verdict::Uplink);
        // Its node has another address now: so have answers to flows that began before.
        world.change(|state| {
            let (task, _) = there(1, node(2));
            state.backends.insert(task, there(1, node(3)).1);
        });
        assert_eq!(world.receive(&third).0, Verdict::Uplink);
    });
}

#[test]
fn tunnel_packets_come_in_by_the_device_that_leads_to_their_sender() {
    in_pair(|mut pair| {
        let good = pair.enter(&udp(client(9), at(node(1), 5353)).frame());
        let second = pair.home.net().second;
        pair.home.change(|state| {
            let uplink = lb_abi::settings::Uplink::new(mac(node(2)));
            state.uplinks.insert(second, uplink);
        });
        let before = pair.home.tables().clone();
        assert_eq!(
            pair.home.send_on(second, &good),
            (Verdict::Pass, good.clone())
        );
        assert!(*pair.home.tables() == before, "left a trace");
        assert_eq!(pair.home.receive(&good).0, Verdict::Bridge);
    });
}
