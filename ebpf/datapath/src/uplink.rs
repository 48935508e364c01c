//! Packets that arrive on an uplink: from clients, and from other nodes through the tunnel.
//!
//! Runs twice for what stays on the node, first under XDP, then under tc; the
//! first decision is remembered as a flow, so the second finds the same. Where an uplink is a bridge it runs at
//! the bridge's ports, before `br_netfilter` shows packets to anybody's rules, and again on the bridge.

use crate::choose::{answerable, choose};
use crate::deliver::{Delivery, go_on};
use crate::errors;
use crate::fragments;
use crate::hairpin::to_container;
use crate::l4_packet::L4Packet;
use crate::packet::{ETHERNET, Packet, Tables};
use crate::parse;
use crate::port_remap::LINGERS;
use crate::schedule::target;
use crate::sender::{answers, has_task};
use crate::settle::{answered, begin, confirm, opening, over};
use crate::tunnel::{self, Direction, INNER, Opened, Read};
use crate::verdict::Verdict;
use lb_abi::TCP;
use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, Flow, UNDER_GATEWAY, UNDER_NODE};
use lb_abi::service::{ADDRESSED, Frontend, LOCAL, Port, ROUTED};
use lb_abi::settings::Settings;
use lb_abi::tunnel::TokenKeys;

/// Decides about a frame that came in on an uplink.
#[inline(always)]
pub fn uplink<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    let mut delivery = Delivery::NONE;
    let verdict = decide(packet, tables, &mut delivery);
    go_on(packet, tables, verdict, &mut delivery)
}

/// The first part of [`uplink`], for programs that have no stack for both at once: what is for a task of this node
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
        None => return errors::from_client(packet, tables, settings),
    }
    let segment = &delivery.segment;
    if tunnel::addressed(segment, settings)
        && let Some(keys) = tables.peer(segment.tuple.source)
    {
        return from_node(packet, tables, settings, keys, delivery);
    }
    let port = Port::new(segment.tuple.destination_port, segment.tuple.proto);
    let Some(frontend) = tables.frontend(&port) else {
        return Verdict::Pass;
    };
    if !parse::ours(packet, tables, settings) {
        return Verdict::Pass;
    }
    from_client(packet, tables, settings, (&port, &frontend), delivery)
}

/// A packet to the tunnel's port, from the address of another node.
#[inline(always)]
fn from_node<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    keys: &TokenKeys,
    delivery: &mut Delivery,
) -> Verdict {
    if !parse::ours(packet, tables, settings) {
        return Verdict::Pass;
    }
    // Only by the device that leads to that node: on another card anybody may write its address.
    let tunnels = packet.link() == settings.uplink;
    if !tunnels && !packet.leads(settings.node, delivery.segment.tuple.source) {
        return Verdict::Pass;
    }
    match tunnel::open(packet, keys) {
        Read::Opened(opened) => match opened.direction {
            // Outside of the tunnel nothing would say to tc whose it is.
            Direction::ToOwn if !P::DELIVERS => Verdict::Pass,
            Direction::ToTask | Direction::ToOwn => {
                to_task(packet, tables, settings, opened, delivery)
            }
            Direction::ToClient => to_client(packet, tables, opened),
        },
        Read::Foreign => Verdict::Pass,
        Read::Bad(reason) => Verdict::Drop(reason),
    }
}

/// A packet to a published port: to the flow's task, or to the next one in turn.
#[inline(always)]
fn from_client<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    (port, frontend): (&Port, &Frontend),
    delivery: &mut Delivery,
) -> Verdict {
    let Delivery { segment, flow, .. } = delivery;
    fragments::begin(tables, segment);
    let backend = match choose(tables, segment, port, frontend, flow) {
        Ok(backend) => backend,
        Err(verdict) => return verdict,
    };
    if backend.locality == LOCAL {
        return delivery.fill(frontend, &backend, None);
    }
    if !flow.came_here() {
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
        tables,
        segment,
        settings,
        backend.address,
        Direction::ToTask,
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
    delivery: &mut Delivery,
) -> Verdict {
    let Some(inner) = parse::segment(packet, tables, INNER) else {
        return errors::to_task(packet, tables, settings, opened);
    };
    let Some(backend) = tables.backend(opened.task) else {
        return Verdict::Drop(Reason::UnknownTask);
    };
    // The published port, if that is of the task's service; or the task's own port, where its service
    // lets processes on nodes call that, or their routers: whose process it was, its node has looked at.
    let port = Port::new(inner.tuple.destination_port, inner.tuple.proto);
    let frontend = if P::DELIVERS && opened.direction == Direction::ToOwn {
        if backend.flags & (ADDRESSED | ROUTED) == 0 || inner.tuple.proto != TCP {
            return Verdict::Drop(Reason::UnknownTask);
        }
        Frontend::new(port.number, 1, 0, backend.service)
    } else {
        match tables.frontend(&port) {
            Some(frontend) => frontend,
            None => return Verdict::Drop(Reason::UnknownTask),
        }
    };
    if frontend.service != backend.service {
        return Verdict::Drop(Reason::UnknownTask);
    }
    if backend.locality != LOCAL || !answerable(inner.tuple.source) {
        return Verdict::Drop(Reason::UnknownTask);
    }
    let client = inner.tuple.source != opened.sender;
    let begins = inner.may_begin_flow();
    // Outside of the tunnel it would be a new client's of this node.
    if !P::DELIVERS && client && begins && tables.is_vip(inner.tuple.destination) {
        return Verdict::Pass;
    }
    fragments::begin(tables, &inner);
    let came_by_it = |flow: &Flow| flow.came_from(opened.sender);
    let before = tables.flow_if(&inner.tuple, inner.state_in(), came_by_it);
    let known = before.filter(|known| {
        let over = inner.opens() && Flow::closed(known.state);
        known.task == opened.task && known.came_from(opened.sender) && !over
    });
    let flow = match known {
        Some(mut known) => {
            confirm(tables, &inner, None, &mut known, inner.state_in());
            known
        }
        None => {
            if client && !yields(tables, &inner, before, opened) {
                return Verdict::Drop(Reason::OwnFlow);
            }
            let mut flow = Flow {
                state: opening(before.map(|flow| flow.state), &inner),
                target: target(tables, &port, &frontend, opened.task),
                ..Flow::new(opened.task, opened.sender)
            };
            // A connection that comes through another node than before is the same one to the task.
            if let Some(before) = before
                && before.task == opened.task
                && !inner.opens()
            {
                flow.state |= before.state & (UNDER_NODE | UNDER_GATEWAY);
                flow.remapped_port = before.remapped_port;
            }
            let before = before.map(|flow| flow.state);
            if !begin(tables, &inner.tuple, before, &mut flow) {
                return Verdict::Drop(Reason::FlowTable);
            }
            flow
        }
    };
    if !packet.shrink() {
        return Verdict::Drop(Reason::NoRoom);
    }
    // Under XDP that was it: tc finds the flow again, after packets were merged.
    delivery.segment = outside(inner);
    delivery.flow = flow;
    delivery.fill(&frontend, &backend, None)
}

/// May another node say whose a client's flow is, of which this node knows `before`? A reused port may
/// have moved it, or an address that went from node to node. But what a client said to this node itself
/// is this node's to decide, and what it said to another one is that one's.
#[inline(always)]
fn yields<T: Tables>(tables: &T, inner: &L4Packet, before: Option<Flow>, opened: Opened) -> bool {
    let called = inner.tuple.destination;
    let own = before.is_some_and(|flow| flow.came_here() && !is_past(tables, &flow, inner));
    // One look-up after the other: of two that are always made, the compiler joins the answers, which are pointers
    // to the kernel's verifier.
    if own && tables.is_vip(called) {
        return false;
    }
    called == opened.sender || tables.peer(called).is_none()
}

/// Is nobody waiting for anything in `flow` any more, as far as nobody else can say so in its client's name? A reset that the
/// client has not sent does not end the connection: the task's kernel believes none whose sequence number is not right.
#[inline(always)]
fn is_past<T: Tables>(tables: &T, flow: &Flow, inner: &L4Packet) -> bool {
    let quiet = tables.now().wrapping_sub(flow.seen);
    let only_reset = inner.tuple.proto == TCP && !Flow::finished(flow.state);
    over(tables, flow, inner) && !(only_reset && quiet < LINGERS)
}

/// A segment that was in the tunnel, once it is not any more.
#[inline(always)]
fn outside(inner: L4Packet) -> L4Packet {
    L4Packet {
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
    // Only what answers a flow of this node's goes out in its name. A node that speaks for a task of its
    // own ends no flow of another one's.
    let mut its_own = false;
    let answers_it = |flow: &Flow| {
        its_own = answers(tables, flow, opened);
        its_own
    };
    let to = inner.tuple.reversed();
    let Some(mut flow) = tables.flow_if(&to, inner.state_out(), answers_it) else {
        return to_caller(packet, tables, inner, opened);
    };
    if !its_own {
        return Verdict::Drop(refused(&flow, opened));
    }
    answered(tables, &to, &inner, &mut flow);
    fragments::begin(tables, &inner);
    // XDP finds no way out of the node to the node itself, so where there is one that need not be asked.
    let away = !P::DELIVERS && packet.route(inner.tuple.source, inner.tuple.destination);
    // A process on this node called: its socket gets it from the kernel.
    let here = !away && tables.is_vip(inner.tuple.destination);
    // Outside of the tunnel it would be taken for a client's packet if that port is published.
    let port = Port::new(inner.tuple.destination_port, inner.tuple.proto);
    if here && !P::DELIVERS && tables.frontend(&port).is_some() {
        return Verdict::Pass;
    }
    if !here && !away && !P::DELIVERS {
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

/// Why an answer does not go on that is about `flow`, but not by its task: that one may have been the flow's before.
#[inline(always)]
const fn refused(flow: &Flow, opened: Opened) -> Reason {
    if flow.task != opened.task && flow.came_here() && flow.state & EMBRYONIC != 0 {
        Reason::LateAnswer
    } else {
        Reason::UnknownTask
    }
}

/// Out of the tunnel, for a container of this node that called.
#[inline(always)]
fn to_caller<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    inner: L4Packet,
    opened: Opened,
) -> Verdict {
    if !has_task(tables, opened) || tables.hairpin_snat(&inner.tuple.reversed()).is_none() {
        return Verdict::Drop(Reason::UnknownTask);
    }
    fragments::begin(tables, &inner);
    if !P::DELIVERS {
        return Verdict::Pass;
    }
    if !packet.shrink() {
        return Verdict::Drop(Reason::NoRoom);
    }
    to_container(packet, tables, &outside(inner), opened.task, None)
}
