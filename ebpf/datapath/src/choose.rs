//! The task of a packet to a published port: the flow's, or the one that a new flow gets.

use crate::packet::Tables;
use crate::parse::Segment;
use crate::schedule::{Scheduled, schedule};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, FIN_IN, FIN_OUT, Flow, OPENING, RESET};
use lb_abi::service::{Backend, DIRECT, Frontend, PICK_TURN, Port, RESTRICTED, Source};
use lb_abi::{Be32, UDP};

/// What was found.
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
    segment: &Segment,
    port: &Port,
    frontend: &Frontend,
) -> Choice {
    let state = state(segment, frontend);
    let known = tables.flow(&segment.tuple, state);
    match known {
        Some(flow) => match tables.backend(flow.task) {
            Some(backend) if segment.opens() && anew(&flow, &backend, frontend) => {}
            Some(backend) => {
                return Choice::Task(backend, proved(tables, segment, flow, state));
            }
            // The task is gone. Datagrams move on; a TCP connection is lost, and the
            // kernel's RST tells the client so.
            None if flow.peer.get() != 0 => {
                return Choice::None(Verdict::Drop(Reason::UnknownTask));
            }
            None if segment.opens() || segment.tuple.proto == UDP => {}
            None => return Choice::None(Verdict::Pass),
        },
        None if !tables.answers(segment.tuple.destination) || !answerable(segment.tuple.source) => {
            return Choice::None(Verdict::Pass);
        }
        None if segment.opens() || segment.tuple.proto == UDP => {}
        // By hash, every node finds the task of a connection that another one began.
        None if frontend.pick != PICK_TURN && segment.state_in() & RESET == 0 => {}
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
    let opening = opening(known);
    match schedule(tables, segment, port, frontend, opening) {
        Scheduled::To(task, backend) => {
            let flow = Flow {
                state: opening,
                ..Flow::new(task, Be32::new(0))
            };
            Choice::Task(backend, flow)
        }
        Scheduled::Refused => Choice::None(Verdict::Pass),
        Scheduled::Failed(reason) => Choice::None(Verdict::Drop(reason)),
    }
}

/// Does a SYN of this flow's choose anew? On a finished connection's ports it is a new connection.
/// Before there is one, it was sent again because no answer came; where the task takes nothing
/// new by now, and others do, none is to be waited for (IPVS does so with `expire_nodest_conn`).
#[inline(always)]
const fn anew(flow: &Flow, backend: &Backend, frontend: &Frontend) -> bool {
    let unanswered = flow.state & OPENING != 0 && backend.takes == 0 && frontend.count != 0;
    flow.peer.get() == 0 && (Flow::closed(flow.state) || unanswered)
}

/// The state of a new flow. In the place of one whose client was there, it takes nobody's room.
#[inline(always)]
pub(crate) fn opening(before: Option<Flow>) -> u32 {
    before.map_or(OPENING, |flow| flow.state & OPENING)
}

/// The flow once its client is known to be there: it has gone on after the task's answer.
/// `state` is what this packet sets. A reset proves nothing: it is what somebody sends who
/// gets an answer to what another sent in his name.
#[inline(always)]
pub(crate) fn proved<T: Tables>(tables: &T, segment: &Segment, flow: Flow, state: u32) -> Flow {
    // Where replies don't come by here, the client's packets set that bit: one is no proof.
    let state = flow.state | (state & !ANSWERED);
    if state & (OPENING | ANSWERED | RESET) != OPENING | ANSWERED || segment.negotiates() {
        return flow;
    }
    let settled = Flow {
        state: state & !OPENING,
        ..flow
    };
    // Without room for it, it stays where it is.
    if tables.remember(&segment.tuple, &settled) {
        settled
    } else {
        flow
    }
}

/// The state bits that a packet of the client's sets. Where replies don't come by here, the
/// client has to speak for both.
#[inline(always)]
const fn state(segment: &Segment, frontend: &Frontend) -> u32 {
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
const fn answerable(source: Be32) -> bool {
    let first = source.get() >> 24;
    first != 0 && first != 127 && first < 224
}
