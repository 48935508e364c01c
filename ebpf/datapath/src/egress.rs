//! Packets that leave by an uplink: above all what this host itself sends to another node's published port.
//!
//! Where [`crate::socket_lb`] pointed a socket at a task elsewhere, its packets are
//! addressed to that task's node; in the tunnel they also name the task. All else is
//! left alone: the other node answers it as it answers anyone. Of what begins at published ports it is remembered
//! whose answers come ([`crate::own_flows`]).
//!
//! Containers, too, send by an uplink, under this node's address. What would pass for this node's own to the other
//! nodes' agents and tunnels does not leave.

use crate::fragments;
use crate::headers::{Fragment, Ipv4, TcpNumbers};
use crate::l4_packet::{L4Packet, flags};
use crate::mss;
use crate::own_flows;
use crate::packet::{ETHERNET, Packet, Tables};
use crate::parse;
use crate::settle::{begin, confirm};
use crate::tunnel::{self, Direction, Read};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, Flow, Ports};
use lb_abi::service::{Frontend, Port, REMOTE};
use lb_abi::sock_rev_nat::SockRevNatKey;
use lb_abi::{Be16, TCP, UDP};

/// Decides about a frame that is about to leave by an uplink. It keeps its next hop.
#[inline(always)]
pub fn egress<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    if !parse::ipv4(packet) {
        return Verdict::Pass;
    }
    // Before anything is left alone for being no whole segment.
    if packet.forwarded() && calls_agent(packet, tables, settings.tunnel_port) {
        return Verdict::Drop(Reason::NotOurs);
    }
    let Some(segment) = parse::outer(packet, tables) else {
        return Verdict::Pass;
    };
    let tuple = segment.tuple;
    if tuple.proto == UDP && tuple.destination_port == settings.tunnel_port {
        return tunnelled(packet, tables, &segment);
    }
    if segment.may_begin_flow() {
        own_flows::sent(packet, tables, &segment);
    }
    let port = Port::new(tuple.destination_port, tuple.proto);
    let frontend = tables.frontend(&port);
    if frontend.is_none() && tuple.proto != TCP
        || tables.peer(tuple.destination).is_none()
        // The reply would not be recognised as this host's own.
        || !tables.is_vip(tuple.source)
    {
        return Verdict::Pass;
    }
    fragments::begin(tables, &segment);
    let (task, own) = match task(packet, tables, &segment, frontend.as_ref()) {
        Ok(Some(task)) => task,
        Ok(None) => return Verdict::Pass,
        Err(reason) => return Verdict::Drop(reason),
    };
    // Of a task that is gone its node knows best: what lives on moves on there.
    match tables.backend(task) {
        Some(backend) if backend.locality == REMOTE && backend.address == tuple.destination => {}
        _ => return Verdict::Pass,
    }
    // Too large for the tunnel is not too large for the wire, and the node finds the
    // flow by what came through the tunnel before.
    if !tunnel::fits(packet, &segment, settings) {
        return Verdict::Pass;
    }
    if segment.negotiates() && !mss::clamp(packet, &segment, settings) {
        return Verdict::Drop(Reason::NoRoom);
    }
    let segments = packet.segments();
    tables.count_in(task, u64::from(segments), segment.bytes(segments));
    if tunnel::enter(
        packet,
        tables,
        &segment,
        settings,
        tuple.destination,
        if own {
            Direction::ToOwn
        } else {
            Direction::ToTask
        },
        task,
    ) {
        Verdict::Pass
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// What leaves for the tunnel port of another node. What swarmlb itself made bears a token by this node's
/// key; anything else there is somebody's who would speak for this node: a container, a process, or
/// whoever has packets forwarded by it.
#[inline(always)]
fn tunnelled<P: Packet, T: Tables>(packet: &P, tables: &T, segment: &L4Packet) -> Verdict {
    if tables.peer(segment.tuple.destination).is_none() {
        return Verdict::Pass;
    }
    let own = tables
        .token_keys()
        .is_some_and(|keys| matches!(tunnel::open(packet, keys), Read::Opened(_)));
    if own {
        Verdict::Pass
    } else {
        Verdict::Drop(Reason::NotOurs)
    }
}

/// May this frame, which the host passes on, open a connection to another node's agent, which has TCP port `port` as the
/// tunnel has UDP port `port`? Source NAT has given it this node's address, and an agent takes a limited number of
/// handshakes from each: a container would use up those of its own node's agent. Nodes that are behind this one call
/// under their own addresses.
///
/// The first fragment of a segment may end before the flags, which the next one then has: it may open one, too.
///
/// A function of its own: for the verifier nothing but the answer is left of what it went through.
#[inline(never)]
fn calls_agent<P: Packet, T: Tables>(packet: &P, tables: &T, port: Be16) -> bool {
    let Some(ip) = packet.load::<Ipv4>(ETHERNET) else {
        return false;
    };
    if ip.proto != TCP || Fragment::of(&ip) == Fragment::Rest {
        return false;
    }
    let l4 = ETHERNET + (usize::from(ip.version_length & 0x0f) << 2);
    let Some(ports) = packet.load::<Ports>(l4) else {
        return false;
    };
    let opens = match packet.load::<TcpNumbers>(l4 + size_of::<Ports>()) {
        Some(tcp) => flags::open(tcp.flags),
        None => true,
    };
    opens
        && ports.destination == port
        && tables.peer(ip.destination).is_some()
        && tables.peer(ip.source).is_none()
}

/// The task that the packet's flow goes to: its socket says so, or the flow where the
/// kernel sends for a socket that is closed. And whether it goes to the task's own port.
#[inline(always)]
fn task<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    segment: &L4Packet,
    frontend: Option<&Frontend>,
) -> Result<Option<(u64, bool)>, Reason> {
    let tuple = segment.tuple;
    let call = SockRevNatKey::new(packet.socket(), tuple.destination, tuple.destination_port);
    let called = tables.sock_rev_nat(&call);
    let before = tables.flow(&tuple, segment.state_in());
    let flow = before.filter(Flow::came_here);
    let Some(called) = called else {
        // A new connection on an old one's ports is somebody else's.
        let flow = flow.filter(|_| !segment.opens());
        return Ok(flow.map(|mut flow| {
            confirm(tables, segment, frontend, &mut flow, segment.state_in());
            (flow.task, frontend.is_none())
        }));
    };
    let same = flow
        .filter(|flow| flow.task == called.task && !(segment.opens() && Flow::closed(flow.state)));
    if let Some(mut flow) = same {
        confirm(tables, segment, frontend, &mut flow, segment.state_in());
    } else {
        // Any process may open as many as it likes.
        let mut flow = Flow::away(called.task, tuple.destination, EMBRYONIC);
        let before = before.map(|flow| flow.state);
        if !begin(tables, &tuple, before, &mut flow) {
            return Err(Reason::FlowTable);
        }
        // A connection is counted when the process begins it.
        if tuple.proto == UDP {
            tables.count_new(called.task);
        }
    }
    Ok(Some((called.task, called.own != 0)))
}
