//! Datagrams and connections that the node itself sends and opens from a published port, and the answers to them.

use lb_abi::service::SCHED_MAGLEV;
use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;

use crate::frames::{at, client, tcp, udp};
use crate::lab::{lab, node};
use crate::states::{here, publish};
use crate::world::{UplinkEgress, World};

#[test]
fn an_answer_to_the_node_itself_passes_and_a_clients_datagrams_do_not() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| publish(state, UDP, 5353, 53, &[here(1), here(2)]));
        let own = at(node(1), 5353);
        let from = |port| udp(client(port), own).frame();
        let asks = |world: &mut World, port| {
            let question = udp(own, client(port)).frame();
            let (verdict, after) = world.send(UplinkEgress, &question);
            assert_eq!(verdict, Verdict::Pass);
            assert_eq!(after, question);
        };
        for _ in 0..3 {
            asks(&mut world, 53);
            world.untouched("an answer", &from(53));
        }
        assert_eq!(world.receive(&from(54)).0, Verdict::Bridge);
        // Who is a client stays one, whatever the node sends to it from that port.
        asks(&mut world, 54);
        assert_eq!(world.receive(&from(54)).0, Verdict::Bridge);
        // Without a lease it is Swarm's own mesh that answers from there.
        world.expire(true);
        asks(&mut world, 55);
        world.expire(false);
        assert_eq!(world.receive(&from(55)).0, Verdict::Bridge);
        assert_eq!(world.kernel().own_flows().unwrap().len(), 1);
    });
}

#[test]
fn what_answers_a_connection_of_the_node_from_a_port_by_hash_passes() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| {
            publish(state, TCP, 40_000, 80, &[here(1), here(2)]);
            for frontend in state.frontends.values_mut() {
                frontend.scheduler = SCHED_MAGLEV;
            }
        });
        let own = at(node(1), 40_000);
        let opens = tcp(own, client(443), "S").frame();
        let (verdict, after) = world.send(UplinkEgress, &opens);
        assert_eq!((verdict, after), (Verdict::Pass, opens));
        for flags in ["SA", "A"] {
            world.untouched("an answer", &tcp(client(443), own, flags).frame());
        }
        assert_eq!(world.kernel().own_flows().unwrap().len(), 1);
        // The middle of a connection that another node began, and a new one from the same ports.
        for (port, flags) in [(444, "A"), (443, "S")] {
            let frame = tcp(client(port), own, flags).frame();
            assert_eq!(world.receive(&frame).0, Verdict::Bridge);
        }
    });
}
