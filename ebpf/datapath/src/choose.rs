//! The task of a packet to a published port: the flow's, or the one that a new flow gets.

use crate::l4_packet::L4Packet;
use crate::own_flows;
use crate::packet::Tables;
use crate::schedule::{NOBODY, hashes, schedule, takes_over};
use crate::settle::{client_state, confirm, counts, forget_replaced, opening};
use crate::verdict::Verdict;
use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, EMBRYONIC, Flow, PASSED, RESET, TIMED};
use lb_abi::service::{ACTIVE, Backend, Frontend, Port, RESTRICTED, Source};

/// Looks for the task of `segment`, which came for `frontend` on `port`. Returns it, with what is remembered of the flow in
/// `flow`; or what becomes of the packet, where there is none.
#[inline(always)]
pub(crate) fn choose<T: Tables>(
    tables: &T,
    segment: &L4Packet,
    port: &Port,
    frontend: &Frontend,
    flow: &mut Flow,
) -> Result<Backend, Verdict> {
    let found = tables.flow(&segment.tuple, segment.state_in());
    if let Some(found) = found {
        *flow = found;
    }
    let settled = found.is_some() && flow.state & EMBRYONIC == 0;
    let known = found.is_some() && counts(flow);
    let mut avoid = NOBODY;
    if !known {
        begins(tables, segment, frontend)?;
    } else if !comes_here(tables, segment, flow) {
        match tables.backend(flow.task) {
            Some(backend)
                if segment.opens() && must_reschedule(tables, flow, &backend, frontend) =>
            {
                avoid = unanswering(flow);
            }
            Some(backend) => {
                let state = client_state(tables, segment, flow);
                confirm(tables, segment, Some(frontend), flow, state);
                return Ok(backend);
            }
            // The task is gone. Datagrams move on; a TCP connection is lost, and the
            // kernel's RST tells the client so.
            None if !flow.came_here() => return Err(Verdict::Drop(Reason::UnknownTask)),
            None if segment.may_begin_flow() => {}
            None => return Err(Verdict::Pass),
        }
    }
    if !tables.leased() {
        return Err(to_kernel(tables, segment, known));
    }
    let source = Source {
        port: *port,
        address: segment.tuple.source,
    };
    if frontend.flags & RESTRICTED != 0 && !tables.allowed(&source) {
        return Err(Verdict::Drop(Reason::NotAllowed));
    }
    let opening = opening(known.then_some(flow.state), segment);
    match schedule(tables, segment, (port, frontend), opening, avoid, flow) {
        Ok(backend) => {
            forget_replaced(tables, &segment.tuple, settled, opening);
            Ok(backend)
        }
        Err(Verdict::Pass) => Err(to_kernel(tables, segment, known)),
        Err(verdict) => Err(verdict),
    }
}

/// May a packet of no known flow begin one? Else what becomes of it.
#[inline(always)]
fn begins<T: Tables>(tables: &T, segment: &L4Packet, frontend: &Frontend) -> Result<(), Verdict> {
    // By hash, every node finds the task of a connection that another one began.
    let hashed = segment.state_in() & RESET == 0
        && takes_over(tables, frontend, segment.tuple.destination_port);
    if !segment.may_begin_flow() && !hashed
        || !tables.is_vip(segment.tuple.destination)
        || !answerable(segment.tuple.source)
        || (!segment.opens() && own_flows::answered(tables, &segment.tuple))
    {
        Err(Verdict::Pass)
    } else {
        Ok(())
    }
}

/// Leaves what would be a new flow to the kernel, which then gets what follows on the same ports as well. `known`: another
/// flow was on them.
#[inline(always)]
fn to_kernel<T: Tables>(tables: &T, segment: &L4Packet, known: bool) -> Verdict {
    if known {
        tables.flow(&segment.tuple, PASSED);
    }
    Verdict::Pass
}

/// A client waits a second for an answer to its SYN before it sends another one, then two, then four (RFC 6298).
/// A SYN that comes sooner than this after the flow began is no sign that its task does not answer, 0.7 s in
/// [`lb_abi::flow::milliseconds`].
const UNANSWERED: u32 = 668;
/// Where the client's address says which task it gets, its first SYN that comes again stays with that, as it may have
/// come to another node before; from the second on, another task answers it: 2.4 s.
const UNANSWERED_TWICE: u32 = 2_289;

/// Does a SYN of this flow's choose again? On a finished connection's ports it is a new connection.
/// Before there is one, it was sent again because no answer came: none is to be waited for where the task takes
/// nothing new by now, and others do (IPVS does so with `expire_nodest_conn`), or where it has had time to answer,
/// and there are others.
#[inline(always)]
fn must_reschedule<T: Tables>(
    tables: &T,
    flow: &Flow,
    backend: &Backend,
    frontend: &Frontend,
) -> bool {
    let patience = if hashes(frontend) || frontend.affinity_ticks != 0 {
        UNANSWERED_TWICE
    } else {
        UNANSWERED
    };
    let waits = tables.clock().wrapping_sub(flow.begun) >= patience;
    // Where answers do not come by here, nobody here knows of them.
    let silent = flow.state & (ANSWERED | TIMED) == 0 && waits && frontend.count > 1;
    let leaves = backend.flags & ACTIVE == 0 && frontend.count != 0;
    let again = flow.state & EMBRYONIC != 0 && (leaves || silent);
    flow.came_here() && (Flow::closed(flow.state) || again)
}

/// The task that a client is not to get again, as it did not answer.
#[inline(always)]
const fn unanswering(flow: &Flow) -> u64 {
    if Flow::closed(flow.state) {
        NOBODY
    } else {
        flow.task
    }
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

/// Could an answer to `source` reach it? Not where the sender claims to be a
/// loopback, nobody, or many: the kernel drops such packets (RFC 1122, section 3.2.1.3).
#[inline(always)]
pub(crate) const fn answerable(source: Be32) -> bool {
    let first = source.get() >> 24;
    first != 0 && first != 127 && first < 224
}
