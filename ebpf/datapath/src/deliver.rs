//! To a task on this node, with the way back remembered.

use crate::l4_packet::L4Packet;
use crate::mss;
use crate::packet::{Packet, Tables};
use crate::port_remap::allocate;
use crate::rewrite::{End, change_address, rewrite};
use crate::verdict::{Verdict, code};
use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, Flow, RevNat, Tuple};
use lb_abi::service::{Backend, DIRECT, Frontend};
use lb_abi::{Be16, Be32};

/// A packet for a task of this node, and all that [`deliver`] has to know of it.
///
/// Who decides writes it into memory of the hook's, and the hook calls [`deliver`]: the two together need more stack
/// than a program has (512 bytes with all that it calls).
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The packet, as it lies in the frame.
    pub(crate) segment: L4Packet,
    /// Its flow, as it is remembered.
    pub(crate) flow: Flow,
    /// The tuple under which that is remembered.
    key: Tuple,
    /// Address of the task.
    address: Be32,
    /// Index of its bridge, where that is not `docker_gwbridge`; else 0.
    link: u32,
    /// [`Frontend::flags`].
    flags: u32,
    /// Port of the task.
    target: Be16,
    /// The client is a container of this node.
    calls: bool,
}

impl Delivery {
    /// No packet's.
    pub const NONE: Self = Self {
        segment: L4Packet::NONE,
        flow: Flow::new(0, Be32::ZERO),
        key: L4Packet::NONE.tuple,
        address: Be32::ZERO,
        link: 0,
        flags: 0,
        target: Be16::new(0),
        calls: false,
    };

    /// Fills in the rest: the packet goes to `backend`, to which its flow leads, for `frontend`. Returns the verdict that
    /// says so.
    ///
    /// `caller`: the client is a container of this node, and that is its own tuple; the packet's
    /// source is already the one it is presented under.
    #[inline(always)]
    pub(crate) fn fill(
        &mut self,
        frontend: &Frontend,
        backend: &Backend,
        caller: Option<&Tuple>,
    ) -> Verdict {
        self.key = *caller.unwrap_or(&self.segment.tuple);
        self.address = backend.address;
        self.link = backend.link;
        self.flags = frontend.flags;
        self.target = self.flow.target_or(frontend.target);
        self.calls = caller.is_some();
        Verdict::Deliver
    }
}

/// Goes on with what was decided: with [`deliver`], where that is what comes next.
#[inline(always)]
pub(crate) fn go_on<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    verdict: Verdict,
    delivery: &mut Delivery,
) -> Verdict {
    if verdict.code() == code::DELIVER {
        deliver(packet, tables, delivery)
    } else {
        verdict
    }
}

/// Addresses the packet to its task, and hands it to the bridge.
#[inline(always)]
pub fn deliver<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    delivery: &mut Delivery,
) -> Verdict {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    if !P::DELIVERS || (settings.bridge | delivery.link) == 0 {
        return Verdict::Pass;
    }
    let Delivery {
        segment, flow, key, ..
    } = delivery;
    let mut back = segment.tuple.reversed();
    back.source = delivery.address;
    back.source_port = delivery.target;
    let direct = delivery.flags & DIRECT != 0 && directly(tables, segment, flow);
    let mut reply = RevNat {
        task: flow.task,
        frontend: segment.tuple.destination,
        peer: flow.ingress(),
        client_address: segment.tuple.source,
        port: segment.tuple.destination_port,
        client: segment.tuple.source_port,
        calls: u8::from(delivery.calls),
        opening: u8::from(flow.state & EMBRYONIC != 0),
        direct: u8::from(direct),
        zero: [0; 5],
    };
    let begins = segment.may_begin_flow();
    let client_port = match allocate(tables, settings, key, flow, begins, &mut back, &mut reply) {
        Ok(port) => port,
        Err(reason) => return Verdict::Drop(reason),
    };
    if flow.came_here() {
        let segments = packet.segments();
        tables.count_in(flow.task, u64::from(segments), segment.bytes(segments));
    } else if segment.negotiates() && !mss::clamp(packet, segment, settings) {
        return Verdict::Drop(Reason::NoRoom);
    }
    let task = (delivery.address, delivery.target);
    if rewrite(packet, segment, End::Destination, task, client_port)
        && change_address(packet, segment, End::Source, back.destination)
    {
        to_bridge(delivery.link)
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

/// The bridge that the task is on, by [`Backend::link`].
#[inline(always)]
#[must_use]
pub(crate) fn to_bridge(link: u32) -> Verdict {
    match link {
        0 => Verdict::Bridge,
        link => Verdict::Container(link),
    }
}
