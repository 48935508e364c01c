//! The task of a packet to a published port: the flow's, or the one that a new flow gets.

use crate::packet::Tables;
use crate::parse::Segment;
use crate::schedule::{Scheduled, schedule};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{Flow, RESET};
use lb_abi::service::{Backend, Frontend, PICK_TURN, Port};
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
    match tables.flow(&segment.tuple, segment.state_in()) {
        Some(flow) => match tables.backend(flow.task) {
            // A SYN on a finished connection's ports is a new connection.
            Some(_) if segment.opens() && Flow::closed(flow.state) && flow.peer.get() == 0 => {}
            Some(backend) => return Choice::Task(backend, flow),
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
    match schedule(tables, segment, port, frontend) {
        Scheduled::To(task, backend) => Choice::Task(backend, Flow::new(task, Be32::new(0))),
        Scheduled::Refused => Choice::None(Verdict::Pass),
        Scheduled::Failed(reason) => Choice::None(Verdict::Drop(reason)),
    }
}

/// Could an answer to `source` reach it? Not where the sender claims to be a
/// loopback, nobody, or many: the kernel drops such packets (RFC 1122, section 3.2.1.3).
#[inline(always)]
const fn answerable(source: Be32) -> bool {
    let first = source.get() >> 24;
    first != 0 && first != 127 && first < 224
}
