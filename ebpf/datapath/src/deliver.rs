//! To a task on this node, with the way back remembered.

use crate::mss;
use crate::packet::{Packet, Tables};
use crate::parse::Segment;
use crate::rewrite::{End, rewrite};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{Flow, Reply};
use lb_abi::service::{Backend, Frontend};
use lb_abi::settings::Settings;

/// Addresses the packet to the task at `backend`, and hands it to the bridge.
///
/// `calls`: the client is a container of this node; the packet's source is already
/// the one it is presented under.
#[inline(always)]
pub fn deliver<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    segment: &Segment,
    frontend: &Frontend,
    (backend, flow): (&Backend, &Flow),
    calls: bool,
) -> Verdict {
    if !P::DELIVERS || (settings.bridge | backend.link) == 0 {
        return Verdict::Pass;
    }
    let mut back = segment.tuple.reversed();
    back.source = backend.address;
    back.source_port = frontend.target;
    let reply = Reply {
        task: flow.task,
        frontend: segment.tuple.destination,
        peer: flow.peer,
        port: segment.tuple.destination_port,
        calls: u8::from(calls),
        zero: [0; 5],
    };
    if tables.reply(&back) != Some(reply) && !tables.remember_reply(&back, &reply) {
        return Verdict::Drop(Reason::FlowTable);
    }
    if flow.peer.get() == 0 {
        let segments = packet.segments();
        tables.count_in(flow.task, u64::from(segments), segment.bytes(segments));
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
        to_bridge(backend)
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
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
