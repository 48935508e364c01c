//! ICMP errors about our flows: to the task that the flow belongs to, and back to
//! the client that a task complains about. Whatever is about no flow of ours passes.
//!
//! Errors are rare, and two headers of any length deep: XDP leaves them to tc.

use crate::deliver::to_bridge;
use crate::icmp::{self, Complaint};
use crate::packet::{ETHERNET, Packet, Tables};
use crate::parse;
use crate::rewrite::End;
use crate::tunnel::{self, INNER, Opened, Way};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::Flow;
use lb_abi::service::{Backend, LOCAL, Port};
use lb_abi::settings::Settings;

/// From the client's side: about a packet that left in a frontend's name.
#[inline(always)]
pub fn from_client<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
) -> Verdict {
    if !P::DELIVERS {
        return Verdict::Pass;
    }
    let Some(complaint) = icmp::read(packet, ETHERNET) else {
        return Verdict::Pass;
    };
    let Some((flow, backend)) = concerned(tables, &complaint) else {
        return Verdict::Pass;
    };
    if !parse::ours(packet, tables) {
        return Verdict::Pass;
    }
    if backend.place == LOCAL {
        return deliver(packet, tables, settings, &complaint, (&backend, &flow));
    }
    if flow.peer.get() != 0 {
        return Verdict::Pass;
    }
    let segment = complaint.segment();
    if !tunnel::fits(packet, &segment, settings) {
        return Verdict::Drop(Reason::TooBig);
    }
    tunnel::send(
        packet,
        &segment,
        settings,
        backend.address,
        Way::ToTask,
        flow.task,
    )
}

/// Out of the tunnel, for a task of this node.
#[inline(always)]
pub fn to_task<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    opened: Opened,
) -> Verdict {
    if !P::DELIVERS {
        return leave(packet);
    }
    let Some(complaint) = icmp::read(packet, INNER) else {
        return Verdict::Drop(Reason::BadTunnel);
    };
    let (flow, backend) = match concerned(tables, &complaint) {
        Some(found) => found,
        None => return Verdict::Drop(Reason::UnknownTask),
    };
    if backend.place != LOCAL || flow.task != opened.task || flow.peer != opened.sender {
        return Verdict::Drop(Reason::UnknownTask);
    }
    if !packet.shrink() {
        return Verdict::Drop(Reason::NoRoom);
    }
    deliver(
        packet,
        tables,
        settings,
        &complaint.moved(INNER - ETHERNET),
        (&backend, &flow),
    )
}

/// Out of the tunnel, for a client of this node.
#[inline(always)]
pub fn to_client<P: Packet, T: Tables>(packet: &mut P, tables: &T, opened: Opened) -> Verdict {
    if !P::DELIVERS {
        return leave(packet);
    }
    let Some(complaint) = icmp::read(packet, INNER) else {
        return Verdict::Drop(Reason::BadTunnel);
    };
    let Some(flow) = tables.flow(&complaint.about, 0) else {
        return Verdict::Drop(Reason::UnknownTask);
    };
    if flow.task != opened.task || flow.peer.get() != 0 {
        return Verdict::Drop(Reason::UnknownTask);
    }
    let here = tables.answers(complaint.destination);
    if packet.shrink() {
        if here { Verdict::Pass } else { Verdict::Uplink }
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// What XDP does with what is no TCP or UDP inside the tunnel.
#[inline(always)]
fn leave<P: Packet>(packet: &P) -> Verdict {
    if icmp::starts(packet, INNER) {
        Verdict::Pass
    } else {
        Verdict::Drop(Reason::BadTunnel)
    }
}

/// From a task: about a packet of a client's.
#[inline(always)]
pub fn from_task<P: Packet, T: Tables>(packet: &mut P, tables: &T, settings: &Settings) -> Verdict {
    let Some(complaint) = icmp::read(packet, ETHERNET) else {
        return Verdict::Pass;
    };
    let Some(reply) = tables.reply(&complaint.about.reversed()) else {
        return Verdict::Pass;
    };
    // Only the task itself speaks in the frontend's name, and never to a container here.
    if reply.calls != 0 || complaint.source != complaint.about.destination {
        return Verdict::Pass;
    }
    let segment = complaint.segment();
    let here = reply.peer.get() == 0;
    if !here && !tunnel::fits(packet, &segment, settings) {
        return Verdict::Drop(Reason::TooBig);
    }
    let own = (reply.frontend, reply.port);
    if !icmp::readdress(packet, &complaint, End::Destination, own, reply.client) {
        return Verdict::Drop(Reason::NoRoom);
    }
    if here {
        return Verdict::Uplink;
    }
    tunnel::send(
        packet,
        &segment,
        settings,
        reply.peer,
        Way::ToClient,
        reply.task,
    )
}

/// The flow that a client's side complains about, and its task.
#[inline(always)]
fn concerned<T: Tables>(tables: &T, complaint: &Complaint) -> Option<(Flow, Backend)> {
    let about = &complaint.about;
    // It left in the frontend's name, so the error comes back to that.
    if complaint.destination != about.source {
        return None;
    }
    tables.frontend(&Port::new(about.source_port, about.proto))?;
    let flow = tables.flow(&about.reversed(), 0)?;
    Some((flow, tables.backend(flow.task)?))
}

/// To the task, about the packet as the task sent it.
#[inline(always)]
fn deliver<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    complaint: &Complaint,
    (backend, flow): (&Backend, &Flow),
) -> Verdict {
    if (settings.bridge | backend.link) == 0 {
        return Verdict::Pass;
    }
    let port = Port::new(complaint.about.source_port, complaint.about.proto);
    let Some(frontend) = tables.frontend(&port) else {
        return Verdict::Pass;
    };
    let client_port = match flow.alias.get() {
        0 => complaint.about.destination_port,
        _ => flow.alias,
    };
    let task = (backend.address, frontend.target);
    if icmp::readdress(packet, complaint, End::Source, task, client_port) {
        to_bridge(backend)
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}
