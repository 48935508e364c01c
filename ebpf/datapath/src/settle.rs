//! Which table a flow is in: it opens among those that anybody can make, settles once its client has proved to be
//! there, and is back among the first when it is closed (docs/adr/0022).
//!
//! A TCP client proves it by an acknowledgement of the task's own sequence number, which nobody sees who invents a
//! client. Datagrams have no such number: there, as in Linux' connection tracking, time counts.

use crate::l4_packet::{L4Packet, flags};
use crate::packet::Tables;
use crate::schedule::keep;
use lb_abi::UDP;
use lb_abi::flow::{
    ANSWERED, EMBRYONIC, FIN_IN, FIN_OUT, Flow, PASSED, PROVABLE, RESET, RevNat, SETTLES_AFTER,
    SILENCE, TIMED, Tuple,
};
use lb_abi::service::Frontend;

/// Settles or closes the flow that `segment` of its client belongs to, if it does that; `flow` is then as it is
/// remembered. `state`: the bits that the packet sets.
#[inline(always)]
pub(crate) fn confirm<T: Tables>(
    tables: &T,
    segment: &L4Packet,
    frontend: Option<&Frontend>,
    flow: &mut Flow,
    state: u32,
) {
    let is = flow.state | state;
    if flow.state & EMBRYONIC == 0 {
        if Flow::closed(is) {
            flow.state = is;
            close(tables, &segment.tuple, flow);
        }
        return;
    }
    if !proves(tables, segment, flow, is) {
        return;
    }
    let was = flow.state;
    // Who goes on has not been reset, whoever said so.
    flow.state = is & !(EMBRYONIC | PROVABLE | RESET);
    if !settle(tables, &segment.tuple, flow) {
        // Without room for it, it stays where it is.
        flow.state = was;
    } else if flow.came_here()
        && let Some(frontend) = frontend
        && frontend.affinity_ticks != 0
    {
        let client = (frontend.service, segment.tuple.source);
        keep(tables, client, flow.task, true);
    }
}

/// Does this packet prove that the client of `flow`, which has the state bits `is` now, is there?
#[inline(always)]
fn proves<T: Tables>(tables: &T, segment: &L4Packet, flow: &Flow, is: u32) -> bool {
    // What both sides have finished is over, also while its last packets come again.
    if Flow::finished(is) {
        return false;
    }
    if segment.tuple.proto != UDP && flow.state & TIMED == 0 {
        return flow.state & PROVABLE != 0 && segment.acknowledges(flow.proof);
    }
    // An answer before this packet: where none comes by here, the client's packets set that bit.
    flow.state & ANSWERED != 0
        && segment.flags & (flags::SYN | flags::RST) == 0
        && tables.clock().wrapping_sub(flow.begun) >= SETTLES_AFTER
}

/// Moves an opening flow to the table of its kind. A function of its own, as [`close`]: for one packet of a
/// connection, and the kernel's verifier need not walk through what follows for each way through here.
#[inline(never)]
fn settle<T: Tables>(tables: &T, tuple: &Tuple, flow: &mut Flow) -> bool {
    tables.remember(tuple, flow)
}

/// Moves a settled flow that is closed to where it takes room from its own kind alone. Only what the task says
/// from now on proves that it goes on after all: anybody may send a reset in a client's name, and the task's
/// kernel believes none whose sequence number is not right.
#[inline(never)]
fn close<T: Tables>(tables: &T, tuple: &Tuple, flow: &mut Flow) -> bool {
    // A settled flow has no `PROVABLE` any more.
    flow.state |= EMBRYONIC;
    // A flow that time settles has to wait as long again.
    flow.begun = 0;
    let moved = tables.remember(tuple, flow);
    if moved {
        tables.forget_settled(tuple);
    }
    moved
}

/// Notes what a task's packet says about the `flow` of `tuple`, its client's: the number by which the client of
/// an opening one proves to be there, or the end of a settled one. Returns whether it has closed the flow.
#[inline(always)]
pub(crate) fn answered<T: Tables>(
    tables: &T,
    tuple: &Tuple,
    segment: &L4Packet,
    flow: &mut Flow,
) -> bool {
    if flow.state & EMBRYONIC != 0 {
        // Where no SYN-ACK came by, as the connection began through another node or before its flow was closed in
        // its client's name, any packet of the task does, one in each tick: its client acknowledges one of them.
        if let Some(proof) = segment.proof()
            && (segment.negotiates() || flow.state & PROVABLE == 0 || flow.seen != tables.now())
        {
            tables.prove(tuple, proof);
        }
        return false;
    }
    let is = flow.state | segment.state_out();
    if !Flow::closed(is) {
        return false;
    }
    flow.state = is;
    close(tables, tuple, flow)
}

/// Moves the way back of a flow that is closed to where the flow is.
#[inline(never)]
pub(crate) fn close_rev_nat<T: Tables>(tables: &T, back: &Tuple, reply: &mut RevNat) {
    reply.opening = 1;
    if tables.remember_rev_nat(back, reply) {
        tables.forget_settled_rev_nat(back);
    }
}

/// The state of a flow that `segment` begins in the place of one with the state `before`: a new connection has proved
/// nothing. A datagram, or the middle of a connection that came another way until now, is of a client that is known.
#[inline(always)]
pub(crate) fn opening(before: Option<u32>, segment: &L4Packet) -> u32 {
    if segment.opens() {
        return EMBRYONIC;
    }
    before.map_or(EMBRYONIC, |state| state & EMBRYONIC)
}

/// Remembers a flow that begins in the place of one with the state `before`.
#[inline(always)]
pub(crate) fn begin<T: Tables>(
    tables: &T,
    tuple: &Tuple,
    before: Option<u32>,
    flow: &mut Flow,
) -> bool {
    let settled = before.is_some_and(|state| state & EMBRYONIC == 0);
    let done = tables.remember(tuple, flow);
    forget_replaced(tables, tuple, settled, flow.state);
    done
}

/// Forgets the flow that was there before, if that was `settled` and would be found in the place of one that begins
/// with `state`.
#[inline(always)]
pub(crate) fn forget_replaced<T: Tables>(tables: &T, tuple: &Tuple, settled: bool, state: u32) {
    if settled && state & EMBRYONIC != 0 {
        tables.forget_settled(tuple);
    }
}

/// The state bits that a packet of the client's sets in `flow`, with those noted that it does not set by itself:
/// where answers don't come by here, the client has to speak for both.
#[inline(always)]
pub(crate) fn client_state<T: Tables>(tables: &T, segment: &L4Packet, flow: &Flow) -> u32 {
    let state = segment.state_in();
    if flow.state & TIMED == 0 {
        return state;
    }
    let both = (state & FIN_IN) / FIN_IN * FIN_OUT;
    let state = state | both | ANSWERED;
    if flow.state | state != flow.state {
        tables.flow(&segment.tuple, state);
    }
    state
}

/// Is it more than what is left of a flow on whose ports the kernel has a connection by now?
#[inline(always)]
pub(crate) const fn counts(flow: &Flow) -> bool {
    flow.state & PASSED == 0
}

/// Is nobody waiting for anything in `flow` any more, which `segment` belongs to?
#[inline(always)]
pub(crate) fn over<T: Tables>(tables: &T, flow: &Flow, segment: &L4Packet) -> bool {
    let quiet = tables.now().wrapping_sub(flow.seen);
    Flow::closed(flow.state) || (segment.tuple.proto == UDP && quiet >= SILENCE)
}
