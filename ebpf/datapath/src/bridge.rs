//! Packets that tasks send out of `docker_gwbridge`: replies of known flows, and all others.

use crate::deliver::{Delivery, go_on};
use crate::errors;
use crate::fragments;
use crate::hairpin::{from_container, to_container};
use crate::mss;
use crate::packet::{Packet, Tables};
use crate::parse;
use crate::rewrite::{End, change_address, rewrite};
use crate::settle::{answered, close_rev_nat};
use crate::tunnel::{self, Direction};
use crate::verdict::Verdict;
use lb_abi::TCP;
use lb_abi::counters::Reason;
use lb_abi::flow::Flow;

/// Decides about a frame that a task sent through `docker_gwbridge`.
#[inline(always)]
pub fn bridge<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    let mut delivery = Delivery::NONE;
    let verdict = decide(packet, tables, &mut delivery);
    go_on(packet, tables, verdict, &mut delivery)
}

/// The first part of [`bridge`], for programs that have no stack for both at once: what is for a task of this node
/// is in `delivery`, and the verdict says so.
#[inline(always)]
pub fn decide<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    delivery: &mut Delivery,
) -> Verdict {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    if !parse::ipv4(packet) {
        return Verdict::Pass;
    }
    match parse::outer(packet, tables) {
        Some(segment) => delivery.segment = segment,
        None => return errors::from_task(packet, tables, settings),
    }
    let Some(mut reply) = tables.rev_nat(&delivery.segment.tuple) else {
        return from_container(packet, tables, settings, delivery);
    };
    let segment = &mut delivery.segment;
    fragments::begin(tables, segment);
    let here = reply.peer.get() == 0;
    let mut client_side = segment.tuple;
    client_side.source = reply.frontend;
    client_side.source_port = reply.port;
    client_side.destination = reply.client_address;
    client_side.destination_port = reply.client;
    let own = (reply.frontend, reply.port);
    if reply.calls != 0 {
        if !rewrite(packet, segment, End::Source, own, reply.client)
            || !change_address(packet, segment, End::Destination, reply.client_address)
        {
            return Verdict::Drop(Reason::NoRoom);
        }
        let back = segment.tuple;
        segment.tuple = client_side;
        return to_container(
            packet,
            tables,
            segment,
            reply.task,
            Some((&back, &mut reply)),
        );
    }
    let to_client = here || reply.direct != 0;
    let asked = client_side.reversed();
    // Its client may have got another task since, as this one did not answer: of two, one alone answers.
    let late =
        |flow: &Flow| flow.task != reply.task && reply.opening != 0 && segment.tuple.proto == TCP;
    let flow = tables.flow_if(&asked, segment.state_out(), |flow| !late(flow));
    if let Some(mut flow) = flow {
        if late(&flow) {
            return Verdict::Drop(Reason::LateAnswer);
        }
        if answered(tables, &asked, segment, &mut flow) && reply.opening == 0 {
            close_rev_nat(tables, &segment.tuple, &mut reply);
        }
    }
    if to_client {
        // Else the ingress node counts it.
        let segments = packet.segments();
        tables.count_out(reply.task, u64::from(segments), segment.bytes(segments));
    }
    // Also where the reply goes past the tunnel: what the client sends does not.
    if !here && segment.negotiates() && !mss::clamp(packet, segment, settings) {
        return Verdict::Drop(Reason::NoRoom);
    }
    if !to_client && !tunnel::fits(packet, segment, settings) {
        return Verdict::TooBig(settings.node.get());
    }
    if !rewrite(packet, segment, End::Source, own, reply.client)
        || !change_address(packet, segment, End::Destination, reply.client_address)
    {
        return Verdict::Drop(Reason::NoRoom);
    }
    if to_client {
        return Verdict::Uplink;
    }
    segment.tuple = client_side;
    tunnel::send(
        packet,
        tables,
        segment,
        settings,
        reply.peer,
        Direction::ToClient,
        reply.task,
    )
}
