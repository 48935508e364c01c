//! What arrives on an uplink: from clients, and from other nodes through the tunnel.
//!
//! Runs twice for what stays on the node, first under XDP, then under tc; the
//! first decision is remembered as a flow, so the second finds the same.

use crate::mss;
use crate::packet::{ETHERNET, Packet, Tables};
use crate::parse::{self, Segment};
use crate::rewrite::{End, rewrite};
use crate::schedule::{Scheduled, schedule};
use crate::tunnel::{self, INNER, Opened, Way};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{Flow, Reply};
use lb_abi::service::{Backend, Frontend, LOCAL, Port};
use lb_abi::settings::Settings;
use lb_abi::{Be32, UDP};

/// Decides about a frame that came in on an uplink.
#[inline(always)]
pub fn uplink<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    if !parse::ours(packet, settings.mac) {
        return Verdict::Pass;
    }
    let Some(segment) = parse::outer(packet) else {
        return Verdict::Pass;
    };
    if tunnel::addressed(&segment, &settings) && tables.peer(segment.tuple.source) {
        return match tunnel::open(packet) {
            Some(opened) => match opened.way {
                Way::ToTask => to_task(packet, tables, &settings, opened),
                Way::ToClient => to_client(packet, tables, opened),
            },
            None => Verdict::Pass,
        };
    }
    let port = Port::new(segment.tuple.destination_port, segment.tuple.proto);
    let Some(frontend) = tables.frontend(&port) else {
        return Verdict::Pass;
    };
    from_client(packet, tables, &settings, &segment, &port, &frontend)
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
    let mut peer = Be32::new(0);
    let known = match tables.flow(&segment.tuple, segment.state_in()) {
        Some(flow) => {
            peer = flow.peer;
            match tables.backend(flow.task) {
                // A SYN on a finished connection's ports is a new connection.
                Some(_) if segment.opens() && Flow::closed(flow.state) && peer.get() == 0 => None,
                Some(backend) => Some((flow.task, backend)),
                // The task is gone. Datagrams move on; a TCP connection is lost, and
                // the kernel's RST tells the client so.
                None if peer.get() != 0 => return Verdict::Drop(Reason::UnknownTask),
                None if segment.opens() || segment.tuple.proto == UDP => None,
                None => return Verdict::Pass,
            }
        }
        None if !tables.answers(segment.tuple.destination) => return Verdict::Pass,
        None if segment.opens() || segment.tuple.proto == UDP => None,
        None => return Verdict::Pass,
    };
    let (task, backend) = match known {
        Some(known) => known,
        None => match schedule(packet, tables, segment, port, frontend) {
            Scheduled::To(task, backend) => (task, backend),
            Scheduled::Refused => return Verdict::Pass,
            Scheduled::Failed(reason) => return Verdict::Drop(reason),
        },
    };
    if backend.place == LOCAL {
        return deliver(
            packet, tables, settings, segment, frontend, task, &backend, peer,
        );
    }
    if peer.get() != 0 {
        // It came through the tunnel for a task that is elsewhere: one hop only.
        return Verdict::Drop(Reason::UnknownTask);
    }
    if !packet.route(settings.node, backend.address) {
        return Verdict::Pass;
    }
    if !tunnel::fits(packet, segment, settings) {
        return Verdict::Drop(Reason::TooBig);
    }
    let segments = packet.segments();
    tables.count_in(task, u64::from(segments), segment.bytes(segments));
    if tunnel::enter(
        packet,
        segment,
        settings,
        backend.address,
        Way::ToTask,
        task,
    ) {
        Verdict::Uplink
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// To a task on this node, with the way back remembered.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "inlined into two callers; a struct would be copied to the BPF stack"
)]
fn deliver<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    segment: &Segment,
    frontend: &Frontend,
    task: u64,
    backend: &Backend,
    peer: Be32,
) -> Verdict {
    if !P::DELIVERS || settings.bridge == 0 {
        return Verdict::Pass;
    }
    let mut back = segment.tuple.reversed();
    back.source = backend.address;
    back.source_port = frontend.target;
    let reply = Reply {
        task,
        frontend: segment.tuple.destination,
        peer,
        port: segment.tuple.destination_port,
        zero: [0; 6],
    };
    if tables.reply(&back) != Some(reply) && !tables.remember_reply(&back, &reply) {
        return Verdict::Drop(Reason::FlowTable);
    }
    if peer.get() == 0 {
        let segments = packet.segments();
        tables.count_in(task, u64::from(segments), segment.bytes(segments));
    } else if segment.negotiates() && !mss::clamp(packet, segment, settings) {
        return Verdict::Drop(Reason::NoRoom);
    }
    if rewrite(
        packet,
        segment,
        End::Destination,
        backend.address,
        frontend.target,
    ) {
        Verdict::Bridge
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// Out of the tunnel, for a task of this node.
#[inline(always)]
fn to_task<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    opened: Opened,
) -> Verdict {
    let Some(inner) = parse::segment(packet, INNER) else {
        return Verdict::Drop(Reason::BadTunnel);
    };
    let port = Port::new(inner.tuple.destination_port, inner.tuple.proto);
    let Some(frontend) = tables.frontend(&port) else {
        return Verdict::Drop(Reason::UnknownTask);
    };
    let Some(backend) = tables.backend(opened.task) else {
        return Verdict::Drop(Reason::UnknownTask);
    };
    if backend.place != LOCAL {
        return Verdict::Drop(Reason::UnknownTask);
    }
    // The ingress node decides whose flow this is; a reused port may have moved it.
    let known = match tables.flow(&inner.tuple, inner.state_in()) {
        Some(flow) => flow.task == opened.task && flow.peer == opened.sender,
        None => false,
    };
    if !known {
        let flow = Flow {
            task: opened.task,
            peer: opened.sender,
            state: 0,
            seen: 0,
            zero: 0,
        };
        if !tables.remember(&inner.tuple, &flow) {
            return Verdict::Drop(Reason::FlowTable);
        }
    }
    if !packet.shrink() {
        return Verdict::Drop(Reason::NoRoom);
    }
    // Under XDP that was it: tc finds the flow again, after packets were merged.
    let inner = Segment {
        l3: ETHERNET,
        l4: inner.l4 - (INNER - ETHERNET),
        ..inner
    };
    deliver(
        packet,
        tables,
        settings,
        &inner,
        &frontend,
        opened.task,
        &backend,
        opened.sender,
    )
}

/// Out of the tunnel, for a client of this node.
#[inline(always)]
fn to_client<P: Packet, T: Tables>(packet: &mut P, tables: &T, opened: Opened) -> Verdict {
    let Some(inner) = parse::segment(packet, INNER) else {
        return Verdict::Drop(Reason::BadTunnel);
    };
    // Only what answers a flow of this node's goes out in its name.
    let Some(flow) = tables.flow(&inner.tuple.reversed(), inner.state_out()) else {
        return Verdict::Drop(Reason::UnknownTask);
    };
    if flow.task != opened.task || flow.peer.get() != 0 {
        return Verdict::Drop(Reason::UnknownTask);
    }
    // A process on this node called: its socket gets it from the kernel.
    let here = tables.answers(inner.tuple.destination);
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
