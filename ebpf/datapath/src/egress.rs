//! Packets that leave by an uplink: above all what this host itself sends to another node's published port.
//!
//! Where [`crate::socket_lb`] pointed a socket at a task elsewhere, its packets are
//! addressed to that task's node; in the tunnel they also name the task. All else is
//! left alone: the other node answers it as it answers anyone. Of what begins at published ports it is remembered
//! whose answers come ([`crate::own_flows`]).

use crate::fragments;
use crate::l4_packet::L4Packet;
use crate::mss;
use crate::own_flows;
use crate::packet::{Packet, Tables};
use crate::parse;
use crate::settle::{begin, confirm};
use crate::tunnel::{self, Direction, Read};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, Flow};
use lb_abi::service::{Frontend, Port, REMOTE};
use lb_abi::sock_rev_nat::SockRevNatKey;
use lb_abi::{TCP, UDP};

/// Decides about a frame that is about to leave by an uplink. It keeps its next hop.
#[inline(always)]
pub fn egress<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    if !parse::ipv4(packet) {
        return Verdict::Pass;
    }
    let Some(segment) = parse::outer(packet, tables) else {
        return Verdict::Pass;
    };
    let tuple = segment.tuple;
    if tuple.proto == UDP && tuple.destination_port == settings.tunnel_port {
        return tunnelled(packet, tables, &segment);
    }
    if segment.may_begin_flow() {
        own_flows::sent(packet, tables, &segment);
    }
    let port = Port::new(tuple.destination_port, tuple.proto);
    let frontend = tables.frontend(&port);
    if frontend.is_none() && tuple.proto != TCP
        || tables.peer(tuple.destination).is_none()
        // The reply would not be recognised as this host's own.
        || !tables.is_vip(tuple.source)
    {
        return Verdict::Pass;
    }
    fragments::begin(tables, &segment);
    let (task, own) = match task(packet, tables, &segment, frontend.as_ref()) {
        Ok(Some(task)) => task,
        Ok(None) => return Verdict::Pass,
        Err(reason) => return Verdict::Drop(reason),
    };
    // Of a task that is gone its node knows best: what lives on moves on there.
    match tables.backend(task) {
        Some(backend) if backend.locality == REMOTE && backend.address == tuple.destination => {}
        _ => return Verdict::Pass,
    }
    // Too large for the tunnel is not too large for the wire, and the node finds the
    // flow by what came through the tunnel before.
    if !tunnel::fits(packet, &segment, settings) {
        return Verdict::Pass;
    }
    if segment.negotiates() && !mss::clamp(packet, &segment, settings) {
        return Verdict::Drop(Reason::NoRoom);
    }
    let segments = packet.segments();
    tables.count_in(task, u64::from(segments), segment.bytes(segments));
    if tunnel::enter(
        packet,
        tables,
        &segment,
        settings,
        tuple.destination,
        if own {
            Direction::ToOwn
        } else {
            Direction::ToTask
        },
        task,
    ) {
        Verdict::Pass
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// What leaves for the tunnel port of another node. What swarmlb itself made bears a token by this node's
/// key; anything else there is somebody's who would speak for this node: a container, a process, or
/// whoever has packets forwarded by it.
#[inline(always)]
fn tunnelled<P: Packet, T: Tables>(packet: &P, tables: &T, segment: &L4Packet) -> Verdict {
    if tables.peer(segment.tuple.destination).is_none() {
        return Verdict::Pass;
    }
    let own = tables
        .token_keys()
        .is_some_and(|keys| matches!(tunnel::open(packet, keys), Read::Opened(_)));
    if own {
        Verdict::Pass
    } else {
        Verdict::Drop(Reason::NotOurs)
    }
}

/// The task that the packet's flow goes to: its socket says so, or the flow where the
/// kernel sends for a socket that is closed. And whether it goes to the task's own port.
#[inline(always)]
fn task<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    segment: &L4Packet,
    frontend: Option<&Frontend>,
) -> Result<Option<(u64, bool)>, Reason> {
    let tuple = segment.tuple;
    let call = SockRevNatKey::new(packet.socket(), tuple.destination, tuple.destination_port);
    let called = tables.sock_rev_nat(&call);
    let before = tables.flow(&tuple, segment.state_in());
    let flow = before.filter(Flow::came_here);
    let Some(called) = called else {
        // A new connection on an old one's ports is somebody else's.
        let flow = flow.filter(|_| !segment.opens());
        return Ok(flow.map(|mut flow| {
            confirm(tables, segment, frontend, &mut flow, segment.state_in());
            (flow.task, frontend.is_none())
        }));
    };
    let same = flow
        .filter(|flow| flow.task == called.task && !(segment.opens() && Flow::closed(flow.state)));
    if let Some(mut flow) = same {
        confirm(tables, segment, frontend, &mut flow, segment.state_in());
    } else {
        // Any process may open as many as it likes.
        let mut flow = Flow::away(called.task, tuple.destination, EMBRYONIC);
        let before = before.map(|flow| flow.state);
        if !begin(tables, &tuple, before, &mut flow) {
            return Err(Reason::FlowTable);
        }
        // A connection is counted when the process begins it.
        if tuple.proto == UDP {
            tables.count_new(called.task);
        }
    }
    Ok(Some((called.task, called.own != 0)))
}
