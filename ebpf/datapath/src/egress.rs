//! What this host itself sends out of an uplink to another node's published port.
//!
//! Where [`crate::host`] pointed a socket at a task elsewhere, its packets are
//! addressed to that task's node; in the tunnel they also name the task. All else is
//! left alone: the other node answers it as it answers anyone.

use crate::mss;
use crate::packet::{Packet, Tables};
use crate::parse::{self, Segment};
use crate::pieces;
use crate::tunnel::{self, Way};
use crate::verdict::Verdict;
use lb_abi::call::Call;
use lb_abi::counters::Reason;
use lb_abi::flow::Flow;
use lb_abi::service::{Port, REMOTE};
use lb_abi::{Be32, TCP, UDP};

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
    // Ours, on their way already.
    if tuple.proto == UDP && tuple.destination_port == settings.tunnel_port {
        return Verdict::Pass;
    }
    let port = Port::new(tuple.destination_port, tuple.proto);
    let published = tables.frontend(&port).is_some();
    if !published && tuple.proto != TCP
        || !tables.peer(tuple.destination)
        // The reply would not be recognised as this host's own.
        || !tables.answers(tuple.source)
    {
        return Verdict::Pass;
    }
    pieces::begin(tables, &segment);
    let (task, own) = match task(packet, tables, &segment, published) {
        Ok(Some(task)) => task,
        Ok(None) => return Verdict::Pass,
        Err(reason) => return Verdict::Drop(reason),
    };
    // Of a task that is gone its node knows best: what lives on moves on there.
    match tables.backend(task) {
        Some(backend) if backend.place == REMOTE && backend.address == tuple.destination => {}
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
        &segment,
        settings,
        tuple.destination,
        if own { Way::ToOwn } else { Way::ToTask },
        task,
    ) {
        Verdict::Pass
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// The task that the packet's flow goes to: its socket says so, or the flow where the
/// kernel sends for a socket that is closed. And whether it goes to the task's own port.
#[inline(always)]
fn task<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    segment: &Segment,
    published: bool,
) -> Result<Option<(u64, bool)>, Reason> {
    let tuple = segment.tuple;
    let call = Call::new(packet.socket(), tuple.destination, tuple.destination_port);
    let called = tables.call(&call);
    let flow = tables
        .flow(&tuple, segment.state_in())
        .filter(|flow| flow.peer.get() == 0);
    let Some(called) = called else {
        // A new connection on an old one's ports is somebody else's.
        return Ok(match flow {
            Some(flow) if !segment.opens() => Some((flow.task, !published)),
            _ => None,
        });
    };
    let same = match flow {
        Some(flow) => flow.task == called.task && !(segment.opens() && Flow::closed(flow.state)),
        None => false,
    };
    if !same {
        let flow = Flow::new(called.task, Be32::new(0));
        if !tables.remember(&tuple, &flow) {
            return Err(Reason::FlowTable);
        }
        // A connection is counted when the process begins it.
        if tuple.proto == UDP {
            tables.count_new(called.task);
        }
    }
    Ok(Some((called.task, called.own != 0)))
}
