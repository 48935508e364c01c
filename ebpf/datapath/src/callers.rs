//! Containers of this node that call a published port on their own node.
//!
//! They are presented under this node's address and a port of our choosing, to tasks
//! here and elsewhere alike, also when the answering task is the caller itself.

use crate::choose::{Choice, choose};
use crate::deliver::deliver;
use crate::packet::{Packet, Tables};
use crate::parse::Segment;
use crate::pieces;
use crate::rewrite::{End, rewrite};
use crate::spare;
use crate::tunnel::{self, Way};
use crate::verdict::Verdict;
use lb_abi::Be16;
use lb_abi::counters::Reason;
use lb_abi::flow::{Caller, Flow, Tuple};
use lb_abi::service::{LOCAL, Port};
use lb_abi::settings::Settings;

/// Decides about a packet of a container that is no reply.
#[inline(always)]
pub fn from_container<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    segment: &Segment,
) -> Verdict {
    let port = Port::new(segment.tuple.destination_port, segment.tuple.proto);
    let Some(frontend) = tables.frontend(&port) else {
        return Verdict::Pass;
    };
    // A container's own packets only: what the node forwards is none of its flows.
    if !tables.answers(segment.tuple.destination) {
        return Verdict::Pass;
    }
    pieces::begin(tables, segment);
    let (backend, mut flow) = match choose(tables, segment, &port, &frontend) {
        Choice::Task(backend, flow) => (backend, flow),
        Choice::None(verdict) => return verdict,
    };
    // There is no way to the task, and the packet is still as it came.
    if backend.place == LOCAL && (settings.bridge | backend.link) == 0 {
        return Verdict::Pass;
    }
    if flow.port.get() == 0 {
        flow = match present(packet.link(), tables, settings, segment, &flow) {
            Some(flow) => flow,
            None => return Verdict::Drop(Reason::NoPort),
        };
    }
    let presented = Segment {
        tuple: under(settings, &segment.tuple, flow.port),
        ..*segment
    };
    if backend.place != LOCAL && !tunnel::fits(packet, segment, settings) {
        return Verdict::TooBig(settings.node.get());
    }
    let shown = (presented.tuple.source, presented.tuple.source_port);
    let to = segment.tuple.destination_port;
    if !rewrite(packet, segment, End::Source, shown, to) {
        return Verdict::Drop(Reason::NoRoom);
    }
    if backend.place == LOCAL {
        return deliver(
            packet,
            tables,
            settings,
            &presented,
            &frontend,
            (&backend, &mut flow),
            Some(&segment.tuple),
        );
    }
    let segments = packet.segments();
    tables.count_in(flow.task, u64::from(segments), segment.bytes(segments));
    tunnel::send(
        packet,
        &presented,
        settings,
        backend.address,
        Way::ToTask,
        flow.task,
    )
}

/// Hands a reply to the container that called. `segment` bears the frontend as its
/// source already, and the address that the caller is presented under as destination.
#[inline(always)]
pub fn to_container<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    segment: &Segment,
    task: u64,
) -> Verdict {
    let Some(caller) = tables.caller(&segment.tuple.reversed()) else {
        return Verdict::Drop(Reason::UnknownTask);
    };
    let mut own = segment.tuple.reversed();
    own.source = caller.address;
    own.source_port = caller.port;
    tables.flow(&own, segment.state_out());
    let segments = packet.segments();
    tables.count_out(task, u64::from(segments), segment.bytes(segments));
    let own = (caller.address, caller.port);
    if rewrite(
        packet,
        segment,
        End::Destination,
        own,
        segment.tuple.source_port,
    ) {
        Verdict::Container(caller.link)
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// Finds a port to present the caller under, and remembers both.
#[inline(always)]
fn present<T: Tables>(
    link: u32,
    tables: &T,
    settings: &Settings,
    segment: &Segment,
    flow: &Flow,
) -> Option<Flow> {
    let caller = Caller {
        address: segment.tuple.source,
        port: segment.tuple.source_port,
        zero: 0,
        link,
    };
    let start = segment.tuple.source_port.get() ^ spare::low(segment.tuple.source.get());
    for attempt in 0..spare::TRIES {
        let port = spare::port(start, attempt);
        let tuple = under(settings, &segment.tuple, port);
        if taken(tables, &tuple, &caller) {
            continue;
        }
        let flow = Flow { port, ..*flow };
        let done =
            tables.remember_caller(&tuple, &caller) && tables.remember(&segment.tuple, &flow);
        return done.then_some(flow);
    }
    None
}

/// Is another caller's connection, not yet over, presented under `tuple`?
#[inline(always)]
fn taken<T: Tables>(tables: &T, tuple: &Tuple, caller: &Caller) -> bool {
    let Some(holder) = tables.caller(tuple) else {
        return false;
    };
    if holder == *caller {
        return false;
    }
    let own = Tuple {
        source: holder.address,
        source_port: holder.port,
        ..*tuple
    };
    match tables.peek(&own) {
        Some(flow) => flow.port == tuple.source_port && !Flow::closed(flow.state),
        None => false,
    }
}

/// A caller's tuple as others see it.
#[inline(always)]
fn under(settings: &Settings, tuple: &Tuple, port: Be16) -> Tuple {
    Tuple {
        source: settings.node,
        source_port: port,
        ..*tuple
    }
}
