//! To a task on this node, with the way back remembered.

use crate::l4_packet::L4Packet;
use crate::mss;
use crate::packet::{Packet, Tables};
use crate::port_remap::allocate;
use crate::rewrite::{End, rewrite};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, Flow, RevNat, Tuple};
use lb_abi::service::{Backend, DIRECT, Frontend};

use lb_abi::settings::Settings;

/// Addresses the packet to the task at `backend`, and hands it to the bridge.
///
/// `caller`: the client is a container of this node, and that is its own tuple; the packet's
/// source is already the one it is presented under.
#[inline(always)]
pub fn deliver<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    segment: &L4Packet,
    frontend: &Frontend,
    (backend, flow): (&Backend, &mut Flow),
    caller: Option<&Tuple>,
) -> Verdict {
    if !P::DELIVERS || (settings.bridge | backend.link) == 0 {
        return Verdict::Pass;
    }
    let mut back = segment.tuple.reversed();
    back.source = backend.address;
    back.source_port = frontend.target;
    let reply = RevNat {
        task: flow.task,
        frontend: segment.tuple.destination,
        peer: flow.ingress(),
        port: segment.tuple.destination_port,
        client: segment.tuple.source_port,
        calls: u8::from(caller.is_some()),
        opening: u8::from(flow.state & EMBRYONIC != 0),
        direct: u8::from(frontend.flags & DIRECT != 0 && directly(tables, segment, flow)),
        zero: 0,
    };
    let key = caller.unwrap_or(&segment.tuple);
    let begins = segment.may_begin_flow();
    let client_port = match allocate(tables, key, flow, begins, &mut back, &reply) {
        Ok(port) => port,
        Err(reason) => return Verdict::Drop(reason),
    };
    if flow.came_here() {
        let segments = packet.segments();
        tables.count_in(flow.task, u64::from(segments), segment.bytes(segments));
    } else if segment.negotiates() && !mss::clamp(packet, segment, settings) {
        return Verdict::Drop(Reason::NoRoom);
    }
    let task = (backend.address, frontend.target);
    if rewrite(packet, segment, End::Destination, task, client_port) {
        to_bridge(backend)
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// May the reply to a flow of another node's go past that node? Not to a node itself, whose
/// own address it would bear.
#[inline(always)]
fn directly<T: Tables>(tables: &T, segment: &L4Packet, flow: &Flow) -> bool {
    let client = segment.tuple.source;
    !flow.came_here() && tables.peer(client).is_none() && !tables.is_vip(client)
}

/// The bridge that the task is on.
#[inline(always)]
#[must_use]
pub(crate) fn to_bridge(backend: &Backend) -> Verdict {
    match backend.link {
        0 => Verdict::Bridge,
        link => Verdict::Container(link),
    }
}
