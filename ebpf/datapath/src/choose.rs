//! The task of a packet to a published port: the flow's, or the one that a new flow gets.

use crate::l4_packet::L4Packet;
use crate::packet::Tables;
use crate::port_remap::SILENCE;
use crate::schedule::{Scheduled, keep, schedule};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, EMBRYONIC, FIN_IN, FIN_OUT, Flow, RESET};
use lb_abi::service::{ACTIVE, Backend, DIRECT, Frontend, Port, RESTRICTED, SCHED_RR, Source};
use lb_abi::{Be32, UDP};

/// The chosen task, or the verdict where there is none.
pub enum Choice {
    /// This task, with what is remembered of the flow.
    Task(Backend, Flow),
    /// None, and what becomes of the packet.
    None(Verdict),
}

/// Looks for the task of `segment`, which came for `frontend` on `port`.
#[inline(always)]
pub fn choose<T: Tables>(
    tables: &T,
    segment: &L4Packet,
    port: &Port,
    frontend: &Frontend,
) -> Choice {
    let state = state(segment, frontend);
    let before = tables.flow(&segment.tuple, state);
    match before {
        Some(flow) if comes_here(tables, segment, &flow) => {}
        Some(flow) => match tables.backend(flow.task) {
            Some(backend) if segment.opens() && must_reschedule(&flow, &backend, frontend) => {}
            Some(backend) => {
                return Choice::Task(
                    backend,
                    confirm(tables, segment, Some(frontend), flow, state),
                );
            }
            // The task is gone. Datagrams move on; a TCP connection is lost, and the
            // kernel's RST tells the client so.
            None if !flow.came_here() => {
                return Choice::None(Verdict::Drop(Reason::UnknownTask));
            }
            None if segment.may_begin_flow() => {}
            None => return Choice::None(Verdict::Pass),
        },
        None if !tables.is_vip(segment.tuple.destination) || !answerable(segment.tuple.source) => {
            return Choice::None(Verdict::Pass);
        }
        None if segment.may_begin_flow() => {}
        // By hash, every node finds the task of a connection that another one began.
        None if frontend.scheduler != SCHED_RR && segment.state_in() & RESET == 0 => {}
        None => return Choice::None(Verdict::Pass),
    }
    if !tables.leased() {
        return Choice::None(Verdict::Pass);
    }
    let source = Source {
        port: *port,
        address: segment.tuple.source,
    };
    if frontend.flags & RESTRICTED != 0 && !tables.allowed(&source) {
        return Choice::None(Verdict::Drop(Reason::NotAllowed));
    }
    let opening = opening(before);
    match schedule(tables, segment, port, frontend, opening) {
        Scheduled::To(task, backend) => {
            let flow = Flow::to(task, &backend, opening);
            Choice::Task(backend, flow)
        }
        Scheduled::Refused => Choice::None(Verdict::Pass),
        Scheduled::Failed(reason) => Choice::None(Verdict::Drop(reason)),
    }
}

/// Does a SYN of this flow's choose again? On a finished connection's ports it is a new connection.
/// Before there is one, it was sent again because no answer came; where the task takes nothing
/// new by now, and others do, none is to be waited for (IPVS does so with `expire_nodest_conn`).
#[inline(always)]
const fn must_reschedule(flow: &Flow, backend: &Backend, frontend: &Frontend) -> bool {
    let leaves = backend.flags & ACTIVE == 0;
    let unanswered = flow.state & EMBRYONIC != 0 && leaves && frontend.count != 0;
    flow.came_here() && (Flow::closed(flow.state) || unanswered)
}

/// Does a flow that another node told of begin again, as its client comes to this node itself? A node
/// speaks for itself where it is the client: what is too large for the tunnel comes without.
#[inline(always)]
fn comes_here<T: Tables>(tables: &T, segment: &L4Packet, flow: &Flow) -> bool {
    !flow.came_here()
        && !flow.came_from(segment.tuple.source)
        && segment.may_begin_flow()
        && tables.is_vip(segment.tuple.destination)
}

/// Is nobody waiting for anything in `flow` any more, which `segment` belongs to?
#[inline(always)]
pub(crate) fn over<T: Tables>(tables: &T, flow: &Flow, segment: &L4Packet) -> bool {
    let quiet = tables.now().wrapping_sub(flow.seen);
    Flow::closed(flow.state) || (segment.tuple.proto == UDP && quiet >= SILENCE)
}

/// The state of a new flow. In the place of one whose client was there, it takes nobody's room.
#[inline(always)]
pub(crate) fn opening(before: Option<Flow>) -> u32 {
    before.map_or(EMBRYONIC, |flow| flow.state & EMBRYONIC)
}

/// The flow of a packet to `frontend`, if it is for a published port, once its client is known to be there: it has gone on after the task's answer.
/// `state` is what this packet sets. A reset proves nothing: it is what somebody sends who
/// gets an answer to what another sent in his name.
#[inline(always)]
pub(crate) fn confirm<T: Tables>(
    tables: &T,
    segment: &L4Packet,
    frontend: Option<&Frontend>,
    flow: Flow,
    state: u32,
) -> Flow {
    // Where replies don't come by here, the client's packets set that bit: one is no proof.
    let state = flow.state | (state & !ANSWERED);
    if state & (EMBRYONIC | ANSWERED | RESET) != EMBRYONIC | ANSWERED || segment.negotiates() {
        return flow;
    }
    let mut settled = Flow {
        state: state & !EMBRYONIC,
        ..flow
    };
    // Without room for it, it stays where it is.
    if tables.remember(&segment.tuple, &mut settled) {
        if flow.came_here() && frontend.is_some_and(|frontend| frontend.affinity_ticks != 0) {
            let port = Port::new(segment.tuple.destination_port, segment.tuple.proto);
            keep(tables, (&port, segment.tuple.source), flow.task, true);
        }
        settled
    } else {
        flow
    }
}

/// The state bits that a packet of the client's sets. Where replies don't come by here, the
/// client has to speak for both.
#[inline(always)]
const fn state(segment: &L4Packet, frontend: &Frontend) -> u32 {
    let state = segment.state_in();
    if frontend.flags & DIRECT == 0 {
        return state;
    }
    let both = if state & FIN_IN == 0 { 0 } else { FIN_OUT };
    state | both | ANSWERED
}

/// Could an answer to `source` reach it? Not where the sender claims to be a
/// loopback, nobody, or many: the kernel drops such packets (RFC 1122, section 3.2.1.3).
#[inline(always)]
pub(crate) const fn answerable(source: Be32) -> bool {
    let first = source.get() >> 24;
    first != 0 && first != 127 && first < 224
}
