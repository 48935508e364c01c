//! Packets that tasks send out of `docker_gwbridge`: replies of known flows, and all others.

use crate::errors;
use crate::fragments;
use crate::hairpin::{from_container, to_container};
use crate::l4_packet::L4Packet;
use crate::mss;
use crate::packet::{Packet, Tables};
use crate::parse;
use crate::rewrite::{End, rewrite};
use crate::tunnel::{self, Direction};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;

/// Decides about a frame that a task sent through `docker_gwbridge`.
#[inline(always)]
pub fn bridge<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    if !parse::ipv4(packet) {
        return Verdict::Pass;
    }
    let Some(segment) = parse::outer(packet, tables) else {
        return errors::from_task(packet, tables, settings);
    };
    let Some(reply) = tables.rev_nat(&segment.tuple) else {
        return from_container(packet, tables, settings, &segment);
    };
    fragments::begin(tables, &segment);
    let here = reply.peer.get() == 0;
    let mut client_side = segment.tuple;
    client_side.source = reply.frontend;
    client_side.source_port = reply.port;
    client_side.destination_port = reply.client;
    let own = (reply.frontend, reply.port);
    if reply.calls != 0 {
        if !rewrite(packet, &segment, End::Source, own, reply.client) {
            return Verdict::Drop(Reason::NoRoom);
        }
        let segment = L4Packet {
            tuple: client_side,
            ..segment
        };
        return to_container(packet, tables, &segment, reply.task);
    }
    let to_client = here || reply.direct != 0;
    tables.flow(&client_side.reversed(), segment.state_out());
    if to_client {
        // Else the ingress node counts it.
        let segments = packet.segments();
        tables.count_out(reply.task, u64::from(segments), segment.bytes(segments));
    }
    // Also where the reply goes past the tunnel: what the client sends does not.
    if !here && segment.negotiates() && !mss::clamp(packet, &segment, settings) {
        return Verdict::Drop(Reason::NoRoom);
    }
    if !to_client && !tunnel::fits(packet, &segment, settings) {
        return Verdict::TooBig(settings.node.get());
    }
    if !rewrite(packet, &segment, End::Source, own, reply.client) {
        return Verdict::Drop(Reason::NoRoom);
    }
    if to_client {
        return Verdict::Uplink;
    }
    let segment = L4Packet {
        tuple: client_side,
        ..segment
    };
    tunnel::send(
        packet,
        tables,
        &segment,
        settings,
        reply.peer,
        Direction::ToClient,
        reply.task,
    )
}
