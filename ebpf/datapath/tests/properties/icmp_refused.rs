//! ICMP that is no error about a flow, and errors of those who have nothing to say about it.

use std::net::Ipv4Addr;

use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_abi::flow::Flow;
use lb_abi::service::{Backend, LOCAL, REMOTE};
use lb_datapath::Verdict;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::tunnel::{INNER, seal};

use crate::icmp::{
    CLIENT, ROUTER, about_answer, about_request, elsewhere, error, here, quoted, task_sends, tc,
    xdp,
};
use crate::nodes::{FRONTEND, HOME, INGRESS, key, serving, task};
use crate::packets::segment;

/// Another node where clients come in.
const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);
const UNKNOWN: Verdict = Verdict::Drop(Reason::UnknownTask);

/// A change of a frame.
type Change = fn(&mut Vec<u8>);

#[test]
fn what_is_no_error_about_a_flow_of_this_nodes_is_untouched() {
    // Ethernet 14, IPv4 20, ICMP 8, and of the packet that it is about IPv4 20 and 8 bytes of TCP.
    let changes: [(&str, Change); 17] = [
        ("for another machine", |frame| frame[0] ^= 4),
        ("not IPv4", |frame| frame[14] = 0x65),
        ("a header that is too short", |frame| frame[14] = 0x44),
        ("of more bytes than there are", |frame| frame.truncate(69)),
        ("the first fragment of an error", |frame| frame[20] |= 0x20),
        ("a later fragment of one", |frame| frame[21] = 1),
        ("of another protocol", |frame| frame[23] = 47),
        ("for another address of the node", |frame| frame[33] ^= 1),
        ("an echo request", |frame| frame[34] = 8),
        ("a redirect", |frame| frame[34] = 5),
        ("about no IPv4", |frame| frame[42] = 0x65),
        ("about a header that is too short", |frame| frame[42] = 0x44),
        ("about a later fragment", |frame| frame[49] = 1),
        ("about another protocol", |frame| frame[51] = 47),
        ("about another client", |frame| frame[61] ^= 1),
        ("about a port that is not published", |frame| frame[63] ^= 1),
        ("about less than both ports", |frame| frame[17] -= 1),
    ];
    for (what, change) in changes {
        let mut frame = about_answer().0;
        change(&mut frame);
        assert_eq!(
            tc(&here(), &frame),
            (Verdict::Pass, frame.clone()),
            "{what}"
        );
    }
    // A first fragment has both ports.
    let mut frame = about_answer().0;
    frame[48] |= 0x20;
    assert_eq!(tc(&here(), &frame).0, Verdict::Bridge);
}

#[test]
fn an_error_about_a_task_of_another_service_is_untouched() {
    // The port has passed to another service since.
    let mut memory = here();
    for frontend in memory.frontends.values_mut() {
        frontend.service = 9;
    }
    let came = about_answer().0;
    assert_eq!(tc(&memory, &came), (Verdict::Pass, came.clone()));
}

#[test]
fn an_error_about_a_flow_that_came_through_the_tunnel_goes_into_none() {
    let mut memory = serving(INGRESS, REMOTE, 1);
    let (came, _) = about_answer();
    tc(&memory, &segment(0x02).frame(CLIENT, FRONTEND));
    assert_eq!(
        tc(&memory, &came).0,
        Verdict::Uplink,
        "this node sends it there"
    );
    for flow in memory.flows.get_mut().values_mut() {
        *flow = Flow::new(key(0), Be32::new(SECOND.into()));
    }
    assert_eq!(tc(&memory, &came), (Verdict::Pass, came.clone()));
}

#[test]
fn a_task_speaks_for_its_own_flows_and_to_their_clients_alone() {
    let (came, _) = about_request();
    let untouched = |memory: &Memory, frame: &[u8], what: &str| {
        let expected = (Verdict::Pass, frame.to_vec());
        assert_eq!(task_sends(memory, frame), expected, "{what}");
    };
    let quoted = quoted(&segment(0x02), CLIENT, task(0));
    let client = *CLIENT.ip();
    let other = error(3, (*task(1).ip(), client), &[], &quoted);
    untouched(&here(), &other, "another container");
    let aside = error(3, (*task(0).ip(), ROUTER), &[], &quoted);
    untouched(&here(), &aside, "to somebody else");
    let mut memory = here();
    for reply in memory.replies.get_mut().values_mut() {
        reply.calls = 1;
    }
    untouched(&memory, &came, "about a call of a container here");
    untouched(&serving(INGRESS, LOCAL, 1), &came, "about no flow");
}

#[test]
fn of_an_error_for_a_task_the_sender_has_to_be_the_flows_ingress_node() {
    let (ingress, mut home) = elsewhere();
    let (came, expected) = about_answer();
    let (_, tunnelled) = tc(&ingress, &came);
    assert_eq!(tc(&home, &tunnelled), (Verdict::Bridge, expected));
    // Another node, which has come to know of such a flow.
    let keys = *home.peers.values().next().unwrap();
    home.peers.insert(SECOND.into(), keys);
    let second = serving(SECOND, REMOTE, 1);
    second
        .flows
        .borrow_mut()
        .clone_from(&ingress.flows.borrow());
    let (verdict, by_another) = tc(&second, &came);
    assert_eq!(verdict, Verdict::Uplink);
    assert_eq!(tc(&home, &by_another).0, UNKNOWN);

    for flow in home.flows.get_mut().values_mut() {
        flow.task = key(1);
    }
    let backend = home.backends[&key(0)];
    home.backends.insert(key(1), backend);
    assert_eq!(tc(&home, &tunnelled).0, UNKNOWN, "about another task");
    for flow in home.flows.get_mut().values_mut() {
        flow.task = key(0);
    }
    let there = Backend::new(Be32::new(HOME.into()), REMOTE, 1);
    home.backends.insert(key(0), there);
    assert_eq!(tc(&home, &tunnelled).0, UNKNOWN, "it is elsewhere by now");
    home.backends.insert(key(0), backend);
    home.flows.get_mut().clear();
    assert_eq!(tc(&home, &tunnelled).0, UNKNOWN, "no flow");
}

#[test]
fn of_an_error_for_a_client_the_sender_has_to_be_the_node_of_the_flows_task() {
    let (mut ingress, home) = elsewhere();
    let (_, tunnelled) = task_sends(&home, &about_request().0);
    let flow = *ingress.flows.borrow().values().next().unwrap();
    let came = Flow::new(flow.task, Be32::new(SECOND.into()));
    let other = Flow {
        task: key(1),
        ..flow
    };
    for (what, flow) in [("another ingress", came), ("another task", other)] {
        for known in ingress.flows.get_mut().values_mut() {
            *known = flow;
        }
        assert_eq!(tc(&ingress, &tunnelled).0, UNKNOWN, "{what}");
    }
    ingress.flows.get_mut().clear();
    assert_eq!(tc(&ingress, &tunnelled).0, UNKNOWN, "no flow");
}

#[test]
fn an_error_out_of_the_tunnel_goes_to_who_sent_what_it_is_about() {
    let (ingress, home) = elsewhere();
    let (_, tunnelled) = task_sends(&home, &about_request().0);
    let mut frame = Frame::<true>::new(tunnelled);
    frame.bytes[INNER + 19] ^= 1;
    seal(&mut frame, &home.token_keys);
    assert_eq!(tc(&ingress, &frame.bytes).0, UNKNOWN);
}

#[test]
fn what_is_neither_a_packet_of_a_flow_nor_icmp_does_not_come_out_of_the_tunnel() {
    let bad = Verdict::Drop(Reason::BadTunnel);
    let (ingress, home) = elsewhere();
    let (_, to_task) = tc(&ingress, &about_answer().0);
    let (_, to_client) = task_sends(&home, &about_request().0);
    for (node, tunnelled) in [(&home, to_task), (&ingress, to_client)] {
        let mut other = Frame::<true>::new(tunnelled.clone());
        other.bytes[INNER + 9] = 47;
        seal(&mut other, &home.token_keys);
        assert_eq!(tc(node, &other.bytes).0, bad);
        assert_eq!(xdp(node, &other.bytes).0, bad);
        // No error: XDP leaves all ICMP to tc.
        let mut echo = tunnelled;
        echo[INNER + 20] = 8;
        assert_eq!(tc(node, &echo).0, bad);
        assert_eq!(xdp(node, &echo), (Verdict::Pass, echo.clone()));
    }
}
