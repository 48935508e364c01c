//! What tasks send out of `docker_gwbridge`: replies of our flows, and everything else they do.

use crate::callers::{from_container, to_container};
use crate::errors;
use crate::mss;
use crate::packet::{Packet, Tables};
use crate::parse;
use crate::rewrite::{End, rewrite};
use crate::tunnel::{self, Way};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;

/// Decides about a frame that a task sent through `docker_gwbridge`.
#[inline(always)]
pub fn bridge<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    match packet.load::<parse::Ethernet>(0) {
        Some(ethernet) if ethernet.kind == parse::IPV4 => {}
        _ => return Verdict::Pass,
    }
    let Some(segment) = parse::outer(packet) else {
        return errors::from_task(packet, tables, &settings);
    };
    let Some(reply) = tables.reply(&segment.tuple) else {
        return from_container(packet, tables, &settings, &segment);
    };
    let here = reply.peer.get() == 0;
    let mut client_side = segment.tuple;
    client_side.source = reply.frontend;
    client_side.source_port = reply.port;
    if reply.calls != 0 {
        if !rewrite(packet, &segment, End::Source, reply.frontend, reply.port) {
            return Verdict::Drop(Reason::NoRoom);
        }
        let segment = parse::Segment {
            tuple: client_side,
            ..segment
        };
        return to_container(packet, tables, &segment, reply.task);
    }
    if here {
        // The ingress node keeps the flow's state and its counters; elsewhere only
        // the time matters.
        let segments = packet.segments();
        tables.flow(&client_side.reversed(), segment.state_out());
        tables.count_out(reply.task, u64::from(segments), segment.bytes(segments));
    } else {
        tables.flow(&client_side.reversed(), 0);
        if segment.negotiates() && !mss::clamp(packet, &segment, &settings) {
            return Verdict::Drop(Reason::NoRoom);
        }
        if !tunnel::fits(packet, &segment, &settings) {
            return Verdict::Drop(Reason::TooBig);
        }
    }
    if !rewrite(packet, &segment, End::Source, reply.frontend, reply.port) {
        return Verdict::Drop(Reason::NoRoom);
    }
    if here {
        return Verdict::Uplink;
    }
    let segment = parse::Segment {
        tuple: client_side,
        ..segment
    };
    tunnel::send(
        packet,
        &segment,
        &settings,
        reply.peer,
        Way::ToClient,
        reply.task,
    )
}
