//! ICMP errors about our flows: to the task that the flow belongs to, and back to
//! the client that a task complains about. An error about no known flow passes. From one about a tunnel packet of this
//! node's [`crate::path_mtu`] learns.
//!
//! Errors are rare, and two headers of any length deep: XDP leaves them to tc.

use crate::deliver::to_bridge;
use crate::icmp::{self, IcmpError};
use crate::packet::{ETHERNET, Packet, Tables};
use crate::parse;
use crate::path_mtu;
use crate::rewrite::End;
use crate::sender::answers;
use crate::tunnel::{self, Direction, INNER, Opened};
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
    let Some(error) = icmp::read(packet, ETHERNET) else {
        return Verdict::Pass;
    };
    if path_mtu::is_about_tunnel(tables, settings, &error) {
        let ours = parse::ours(packet, tables, settings);
        return if ours {
            Verdict::TunnelError
        } else {
            Verdict::Pass
        };
    }
    let Some((flow, backend)) = concerned(tables, &error) else {
        return Verdict::Pass;
    };
    if !parse::ours(packet, tables, settings) {
        return Verdict::Pass;
    }
    if backend.locality == LOCAL {
        return deliver(packet, tables, settings, &error, (&backend, &flow));
    }
    if !flow.came_here() {
        return Verdict::Pass;
    }
    let segment = error.segment();
    if !tunnel::fits(packet, &segment, settings) {
        return Verdict::Drop(Reason::TooBig);
    }
    tunnel::send(
        packet,
        tables,
        &segment,
        settings,
        backend.address,
        Direction::ToTask,
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
    let Some(error) = icmp::read(packet, INNER) else {
        return Verdict::Drop(Reason::BadTunnel);
    };
    let (flow, backend) = match concerned(tables, &error) {
        Some(found) => found,
        None => return Verdict::Drop(Reason::UnknownTask),
    };
    if backend.locality != LOCAL || flow.task != opened.task || !flow.came_from(opened.sender) {
        return Verdict::Drop(Reason::UnknownTask);
    }
    if !packet.shrink() {
        return Verdict::Drop(Reason::NoRoom);
    }
    deliver(
        packet,
        tables,
        settings,
        &error.moved(INNER - ETHERNET),
        (&backend, &flow),
    )
}

/// Out of the tunnel, for a client of this node.
#[inline(always)]
pub fn to_client<P: Packet, T: Tables>(packet: &mut P, tables: &T, opened: Opened) -> Verdict {
    if !P::DELIVERS {
        return leave(packet);
    }
    let Some(error) = icmp::read(packet, INNER) else {
        return Verdict::Drop(Reason::BadTunnel);
    };
    // An error keeps no flow alive: whoever is on the way sends those.
    let Some(flow) = tables.peek(&error.about) else {
        return Verdict::Drop(Reason::UnknownTask);
    };
    if !answers(tables, &flow, opened) {
        return Verdict::Drop(Reason::UnknownTask);
    }
    // It goes to whoever sent what it is about, and to nobody else.
    if error.destination != error.about.source {
        return Verdict::Drop(Reason::UnknownTask);
    }
    let here = tables.is_vip(error.destination);
    if packet.shrink() {
        if here { Verdict::Pass } else { Verdict::Uplink }
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// XDP's verdict about other packets than TCP and UDP inside the tunnel.
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
    let Some(error) = icmp::read(packet, ETHERNET) else {
        return Verdict::Pass;
    };
    let Some(reply) = tables.rev_nat(&error.about.reversed()) else {
        return Verdict::Pass;
    };
    // Only the task itself speaks in the frontend's name, to whoever sent what it is about, and never
    // to a container here.
    let about = &error.about;
    let own = error.source == about.destination && error.destination == about.source;
    if reply.calls != 0 || !own {
        return Verdict::Pass;
    }
    let segment = error.segment();
    let here = reply.peer.get() == 0;
    if !here && !tunnel::fits(packet, &segment, settings) {
        return Verdict::Drop(Reason::TooBig);
    }
    let own = (reply.frontend, reply.port);
    if !icmp::readdress(packet, &error, End::Destination, own, reply.client)
        || !icmp::change_address(packet, &error, End::Source, reply.client_address)
    {
        return Verdict::Drop(Reason::NoRoom);
    }
    if here {
        return Verdict::Uplink;
    }
    let mut segment = segment;
    segment.tuple.source = reply.frontend;
    segment.tuple.destination = reply.client_address;
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

/// The flow that a client's side complains about, and its task.
#[inline(always)]
fn concerned<T: Tables>(tables: &T, error: &IcmpError) -> Option<(Flow, Backend)> {
    let about = &error.about;
    // It left in the frontend's name, so the error comes back to that.
    if error.destination != about.source {
        return None;
    }
    let frontend = tables.frontend(&Port::new(about.source_port, about.proto))?;
    let flow = tables.peek(&about.reversed())?;
    let backend = tables.backend(flow.task)?;
    (backend.service == frontend.service).then_some((flow, backend))
}

/// To the task, about the packet as the task sent it.
#[inline(always)]
fn deliver<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    error: &IcmpError,
    (backend, flow): (&Backend, &Flow),
) -> Verdict {
    if (settings.bridge | backend.link) == 0 {
        return Verdict::Pass;
    }
    let port = Port::new(error.about.source_port, error.about.proto);
    let Some(frontend) = tables.frontend(&port) else {
        return Verdict::Pass;
    };
    let client_port = match flow.remapped_port.get() {
        0 => error.about.destination_port,
        _ => flow.remapped_port,
    };
    let task = (backend.address, flow.target_or(frontend.target));
    let shown = flow.shown_address(settings, error.about.destination);
    if icmp::readdress(packet, error, End::Source, task, client_port)
        && icmp::change_address(packet, error, End::Destination, shown)
    {
        to_bridge(backend.link)
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}
