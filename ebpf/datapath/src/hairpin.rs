//! Containers of this node that call a published port on their own node.
//!
//! They are presented under this node's address and a port of our choosing, to tasks
//! here and elsewhere alike, also when the answering task is the caller itself.

use crate::choose::choose;
use crate::deliver::Delivery;
use crate::fragments;
use crate::l4_packet::L4Packet;
use crate::packet::{Packet, Tables};
use crate::port_remap::LINGERS;
use crate::rewrite::{End, rewrite};
use crate::settle::{answered, close_rev_nat};
use crate::snat_port;
use crate::tunnel::{self, Direction};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, Flow, RevNat, SILENCE, SnatEntry, Tuple};
use lb_abi::service::{LOCAL, Port};
use lb_abi::settings::Settings;
use lb_abi::{Be16, UDP};

/// Decides about a packet of a container that is no reply.
#[inline(always)]
pub fn from_container<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    delivery: &mut Delivery,
) -> Verdict {
    let Delivery { segment, flow, .. } = delivery;
    let own = segment.tuple;
    let port = Port::new(own.destination_port, own.proto);
    let Some(frontend) = tables.frontend(&port) else {
        return Verdict::Pass;
    };
    // A container's own packets only: what the node forwards is none of its flows.
    if !tables.is_vip(own.destination) {
        return Verdict::Pass;
    }
    fragments::begin(tables, segment);
    let backend = match choose(tables, segment, &port, &frontend, flow) {
        Ok(backend) => backend,
        Err(verdict) => return verdict,
    };
    // There is no way to the task, and the packet is still as it came.
    if backend.locality == LOCAL && (settings.bridge | backend.link) == 0 {
        return Verdict::Pass;
    }
    let link = packet.link();
    if !still_presented(tables, settings, link, &own, flow.port)
        && !present(link, tables, settings, &own, flow)
    {
        return Verdict::Drop(Reason::NoPort);
    }
    if backend.locality != LOCAL && !tunnel::fits(packet, segment, settings) {
        return Verdict::TooBig(settings.node.get());
    }
    let presented = under(settings, &own, flow.port);
    let shown = (presented.source, presented.source_port);
    if !rewrite(packet, segment, End::Source, shown, own.destination_port) {
        return Verdict::Drop(Reason::NoRoom);
    }
    segment.tuple = presented;
    if backend.locality == LOCAL {
        return delivery.fill(&frontend, &backend, Some(&own));
    }
    let segments = packet.segments();
    tables.count_in(flow.task, u64::from(segments), segment.bytes(segments));
    tunnel::send(
        packet,
        tables,
        segment,
        settings,
        backend.address,
        Direction::ToTask,
        flow.task,
    )
}

/// Hands a reply to the container that called. `segment` bears the frontend as its
/// source already, and the address that the caller is presented under as destination. `back`: the way that it came,
/// where the task is on this node.
#[inline(always)]
pub fn to_container<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    segment: &L4Packet,
    task: u64,
    back: Option<(&Tuple, &mut RevNat)>,
) -> Verdict {
    let Some(caller) = tables.hairpin_snat(&segment.tuple.reversed()) else {
        return Verdict::Drop(Reason::UnknownTask);
    };
    let mut own = segment.tuple.reversed();
    own.source = caller.address;
    own.source_port = caller.port;
    let its_own = |flow: &Flow| flow.task == task;
    let mut flow = match tables.flow_if(&own, segment.state_out(), its_own) {
        Some(flow) if its_own(&flow) => flow,
        _ => return Verdict::Drop(Reason::UnknownTask),
    };
    if answered(tables, &own, segment, &mut flow)
        && let Some((way, reply)) = back
        && reply.opening == 0
    {
        close_rev_nat(tables, way, reply);
    }
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

/// Is the caller with the tuple `own` presented under `port`? While it was silent, others may have taken the room of its entry:
/// that is made again where nobody has the port since.
#[inline(always)]
fn still_presented<T: Tables>(
    tables: &T,
    settings: &Settings,
    link: u32,
    own: &Tuple,
    port: Be16,
) -> bool {
    let caller = caller(own, link);
    port.get() != 0 && held_by(tables, &under(settings, own, port), &caller)
}

/// Is `caller` presented under `tuple`, now if it was not? A function of its own: of what it went through nothing is left
/// for the verifier to tell apart.
#[inline(never)]
fn held_by<T: Tables>(tables: &T, tuple: &Tuple, caller: &SnatEntry) -> bool {
    match tables.hairpin_snat(tuple) {
        Some(holder) => holder == *caller,
        None => tables.remember_hairpin_snat(tuple, caller),
    }
}

/// Finds a port to present the caller with the tuple `own` under, puts it into `flow`, and remembers both.
#[inline(always)]
fn present<T: Tables>(
    link: u32,
    tables: &T,
    settings: &Settings,
    own: &Tuple,
    flow: &mut Flow,
) -> bool {
    let caller = caller(own, link);
    let mut ports = snat_port::Ports::of(caller.address, caller.port);
    for attempt in 0..snat_port::TRIES {
        let port = ports.next();
        let tuple = under(settings, own, port);
        // The task's kernel takes a new connection for an old one's that ended just now, most of the
        // time: better than none.
        let lingers = if attempt < LINGERING { LINGERS } else { 0 };
        if taken(tables, &tuple, &caller, lingers) {
            continue;
        }
        flow.port = port;
        return tables.remember_hairpin_snat(&tuple, &caller) && tables.remember(own, flow);
    }
    false
}

/// At so many tries, a port whose last connection ended just now is taken.
const LINGERING: u16 = 5;

/// Is another caller's connection, not yet over for `lingers` ticks, presented under `tuple`?
///
/// A function of its own: of what it went through nothing is left for the verifier to tell apart, try by try.
#[inline(never)]
fn taken<T: Tables>(tables: &T, tuple: &Tuple, caller: &SnatEntry, lingers: u32) -> bool {
    let Some(holder) = tables.hairpin_snat(tuple) else {
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
    let Some(flow) = tables.peek(&own) else {
        return false;
    };
    let quiet = tables.now().wrapping_sub(flow.seen);
    flow.port == tuple.source_port && quiet < rests(&flow, tuple.proto, lingers)
}

/// For so many ticks after its last packet, the port of a flow is not given to another one. A connection
/// of TCP has it until it ends. What is no more than a question and its answer is over soon.
#[inline(always)]
const fn rests(flow: &Flow, proto: u8, lingers: u32) -> u32 {
    if proto == UDP {
        if flow.state & EMBRYONIC == 0 {
            SILENCE
        } else {
            EXCHANGE
        }
    } else if Flow::closed(flow.state) {
        lingers
    } else {
        u32::MAX
    }
}

/// A question in a datagram is answered within so many ticks, 30 s, or not at all: so long Linux'
/// connection tracking waits as well (`nf_conntrack_udp_timeout`).
const EXCHANGE: u32 = 28;

/// What is remembered of the caller with the tuple `own`, which is behind the device `link`.
#[inline(always)]
const fn caller(own: &Tuple, link: u32) -> SnatEntry {
    SnatEntry {
        address: own.source,
        port: own.source_port,
        zero: 0,
        link,
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
