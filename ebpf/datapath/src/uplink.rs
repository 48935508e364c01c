//! What arrives on an uplink: from clients, and from other nodes through the tunnel.
//!
//! Runs twice for what stays on the node, first under XDP, then under tc; the
//! first decision is remembered as a flow, so the second finds the same.

use crate::callers::to_container;
use crate::choose::{Choice, choose, opening, proved};
use crate::deliver::deliver;
use crate::errors;
use crate::packet::{ETHERNET, Packet, Tables};
use crate::parse::{self, Segment};
use crate::pieces;
use crate::tunnel::{self, INNER, Opened, Way};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::Flow;
use lb_abi::service::{Frontend, LOCAL, Port};
use lb_abi::settings::Settings;

/// Decides about a frame that came in on an uplink.
#[inline(always)]
pub fn uplink<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    if !parse::ipv4(packet) {
        return Verdict::Pass;
    }
    let Some(segment) = parse::outer(packet, tables) else {
        return errors::from_client(packet, tables, settings);
    };
    if tunnel::addressed(&segment, settings) && tables.peer(segment.tuple.source) {
        if !parse::ours(packet, tables) {
            return Verdict::Pass;
        }
        return match tunnel::open(packet) {
            Some(opened) => match opened.way {
                // Outside of the tunnel nothing would say to tc whose it is.
                Way::ToOwn if !P::DELIVERS => Verdict::Pass,
                Way::ToTask | Way::ToOwn => to_task(packet, tables, settings, opened),
                Way::ToClient => to_client(packet, tables, opened),
            },
            None => Verdict::Pass,
        };
    }
    let port = Port::new(segment.tuple.destination_port, segment.tuple.proto);
    let Some(frontend) = tables.frontend(&port) else {
        return Verdict::Pass;
    };
    if !parse::ours(packet, tables) {
        return Verdict::Pass;
    }
    from_client(packet, tables, settings, &segment, &port, &frontend)
}

/// A packet to a published port: to the flow's task, or to the next one in turn.
#[inline(always)]
fn from_client<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    segment: &Segment,
    port: &Port,
    frontend: &Frontend,
) -> Verdict {
    pieces::begin(tables, segment);
    let (backend, mut flow) = match choose(tables, segment, port, frontend) {
        Choice::Task(backend, flow) => (backend, flow),
        Choice::None(verdict) => return verdict,
    };
    if backend.place == LOCAL {
        return deliver(
            packet,
            tables,
            settings,
            segment,
            frontend,
            (&backend, &mut flow),
            None,
        );
    }
    if flow.peer.get() != 0 {
        // It came through the tunnel for a task that is elsewhere: one hop only.
        return Verdict::Drop(Reason::UnknownTask);
    }
    if !packet.route(settings.node, backend.address) {
        return Verdict::Pass;
    }
    if !tunnel::fits(packet, segment, settings) {
        return Verdict::TooBig(segment.tuple.destination.get());
    }
    let segments = packet.segments();
    tables.count_in(flow.task, u64::from(segments), segment.bytes(segments));
    tunnel::send(
        packet,
        segment,
        settings,
        backend.address,
        Way::ToTask,
        flow.task,
    )
}

/// Out of the tunnel, for a task of this node.
#[inline(always)]
fn to_task<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    opened: Opened,
) -> Verdict {
    let Some(inner) = parse::segment(packet, tables, INNER) else {
        return errors::to_task(packet, tables, settings, opened);
    };
    let Some(backend) = tables.backend(opened.task) else {
        return Verdict::Drop(Reason::UnknownTask);
    };
    let target = inner.tuple.destination_port;
    let frontend = if P::DELIVERS && opened.way == Way::ToOwn {
        Frontend::new(target, 1, 0, backend.service)
    } else {
        match tables.frontend(&Port::new(target, inner.tuple.proto)) {
            Some(frontend) => frontend,
            None => return Verdict::Drop(Reason::UnknownTask),
        }
    };
    if backend.place != LOCAL {
        return Verdict::Drop(Reason::UnknownTask);
    }
    pieces::begin(tables, &inner);
    // The ingress node decides whose flow this is; a reused port may have moved it.
    let before = tables.flow(&inner.tuple, inner.state_in());
    let known = before.filter(|known| {
        let over = inner.opens() && Flow::closed(known.state);
        known.task == opened.task && known.peer == opened.sender && !over
    });
    let mut flow = match known {
        Some(known) => proved(tables, &inner, known, inner.state_in()),
        None => {
            let flow = Flow {
                state: opening(before),
                ..Flow::new(opened.task, opened.sender)
            };
            if !tables.remember(&inner.tuple, &flow) {
                return Verdict::Drop(Reason::FlowTable);
            }
            flow
        }
    };
    if !packet.shrink() {
        return Verdict::Drop(Reason::NoRoom);
    }
    // Under XDP that was it: tc finds the flow again, after packets were merged.
    let inner = outside(inner);
    deliver(
        packet,
        tables,
        settings,
        &inner,
        &frontend,
        (&backend, &mut flow),
        None,
    )
}

/// A segment that was in the tunnel, once it is not any more.
#[inline(always)]
fn outside(inner: Segment) -> Segment {
    Segment {
        l3: ETHERNET,
        l4: inner.l4 - (INNER - ETHERNET),
        ..inner
    }
}

/// Out of the tunnel, for a client of this node.
#[inline(always)]
fn to_client<P: Packet, T: Tables>(packet: &mut P, tables: &T, opened: Opened) -> Verdict {
    let Some(inner) = parse::segment(packet, tables, INNER) else {
        return errors::to_client(packet, tables, opened);
    };
    // Only what answers a flow of this node's goes out in its name.
    let Some(flow) = tables.flow(&inner.tuple.reversed(), inner.state_out()) else {
        return to_caller(packet, tables, inner, opened.task);
    };
    if flow.task != opened.task || flow.peer.get() != 0 {
        return Verdict::Drop(Reason::UnknownTask);
    }
    pieces::begin(tables, &inner);
    // A process on this node called: its socket gets it from the kernel.
    let here = tables.answers(inner.tuple.destination);
    // Outside of the tunnel it would be taken for a client's packet if that port is published.
    let port = Port::new(inner.tuple.destination_port, inner.tuple.proto);
    if here && !P::DELIVERS && tables.frontend(&port).is_some() {
        return Verdict::Pass;
    }
    if !here && !packet.route(inner.tuple.source, inner.tuple.destination) {
        return Verdict::Pass;
    }
    let segments = packet.segments();
    tables.count_out(flow.task, u64::from(segments), inner.bytes(segments));
    if packet.shrink() {
        if here { Verdict::Pass } else { Verdict::Uplink }
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// Out of the tunnel, for a container of this node that called.
#[inline(always)]
fn to_caller<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    inner: Segment,
    task: u64,
) -> Verdict {
    if tables.caller(&inner.tuple.reversed()).is_none() {
        return Verdict::Drop(Reason::UnknownTask);
    }
    pieces::begin(tables, &inner);
    if !P::DELIVERS {
        return Verdict::Pass;
    }
    if !packet.shrink() {
        return Verdict::Drop(Reason::NoRoom);
    }
    to_container(packet, tables, &outside(inner), task)
}
