//! Flows and their ways back, each in the table of its kind ([`lb_abi::flow::Kind`]).

use super::clock::now;
use super::*;
use core::intrinsics::{AtomicOrdering, atomic_or};
use lb_abi::UDP;
use lb_abi::flow::{Kind, PROVABLE};

/// One look-up for what is settled; a second one where answers do not come by here.
#[inline(always)]
pub(super) fn found(tuple: &Tuple) -> Option<*mut Flow> {
    if tuple.proto != UDP
        && let Some(flow) = LB_FLOWS.get_ptr_mut(tuple)
    {
        return Some(flow);
    }
    match LB_FLOWS_ANY.get_ptr_mut(tuple) {
        Some(flow) => Some(flow),
        None => LB_EMBRYONIC.get_ptr_mut(tuple),
    }
}

/// The flow as it stands there.
#[inline(always)]
pub(super) fn read(flow: *mut Flow) -> Flow {
    // SAFETY: the kernel keeps the element's memory until the program ends; its
    // task and peer are written before it is found. An LRU element may be given
    // to another tuple meanwhile: the worst outcome is one packet astray.
    unsafe { *flow }
}

/// Sets `state` bits and the time in a flow, which was as given.
#[inline(always)]
pub(super) fn seen(flow: *mut Flow, was: Flow, state: u32) -> Flow {
    if was.state | state != was.state {
        // SAFETY: as in `read`; both directions may set bits at once, hence atomically.
        unsafe {
            atomic_or::<u32, u32, { AtomicOrdering::Relaxed }>(&raw mut (*flow).state, state)
        };
    }
    let now = now();
    if was.seen != now {
        // SAFETY: as in `read`; whoever writes writes the same.
        unsafe { (*flow).seen = now };
    }
    was
}

/// Puts a flow into the table of its kind.
#[inline(always)]
pub(super) fn remember(tuple: &Tuple, flow: &Flow) -> bool {
    let settled = match Flow::kind(tuple.proto, flow.state) {
        Kind::Embryonic => return LB_EMBRYONIC.insert(tuple, flow, 0).is_ok(),
        Kind::Timed => LB_FLOWS_ANY.insert(tuple, flow, 0).is_ok(),
        Kind::Proved => LB_FLOWS.insert(tuple, flow, 0).is_ok(),
    };
    // Else an older one would be found there when this one is gone. Only now: a packet that looks meanwhile
    // finds one of the two.
    if settled {
        let _ = LB_EMBRYONIC.remove(tuple);
    }
    settled
}

/// Removes a settled flow.
#[inline(always)]
pub(super) fn forget_settled(tuple: &Tuple) {
    if tuple.proto != UDP {
        let _ = LB_FLOWS.remove(tuple);
    }
    let _ = LB_FLOWS_ANY.remove(tuple);
}

/// Removes a flow, whatever its kind. The settled one last: an opening one would be found after it.
#[inline(always)]
pub(super) fn forget(tuple: &Tuple) {
    let _ = LB_EMBRYONIC.remove(tuple);
    forget_settled(tuple);
}

/// Sets the number by which the client of an opening flow proves to be there.
#[inline(always)]
pub(super) fn prove(tuple: &Tuple, proof: u32) {
    if let Some(flow) = LB_EMBRYONIC.get_ptr_mut(tuple) {
        // SAFETY: as in `read`; 4 aligned bytes, written in one go.
        unsafe { (*flow).proof = proof };
        // SAFETY: as in `seen`.
        unsafe {
            atomic_or::<u32, u32, { AtomicOrdering::Relaxed }>(&raw mut (*flow).state, PROVABLE)
        };
    }
}

/// The way back of a flow: one look-up for what is settled.
#[inline(always)]
pub(super) fn rev_nat(tuple: &Tuple) -> Option<RevNat> {
    let settled = if tuple.proto == UDP {
        // SAFETY: as for flows; replies are never written in place.
        unsafe { LB_REV_NAT_ANY.get(tuple) }
    } else {
        // SAFETY: the same.
        unsafe { LB_REV_NAT.get(tuple) }
    };
    match settled {
        Some(reply) => Some(*reply),
        // SAFETY: the same.
        None => unsafe { LB_REV_NAT_EMB.get(tuple) }.copied(),
    }
}

/// Puts a way back into the table of its flow's kind.
#[inline(always)]
pub(super) fn remember_rev_nat(tuple: &Tuple, reply: &RevNat) -> bool {
    let settled = match reply.kind(tuple.proto) {
        Kind::Embryonic => return LB_REV_NAT_EMB.insert(tuple, reply, 0).is_ok(),
        Kind::Timed => LB_REV_NAT_ANY.insert(tuple, reply, 0).is_ok(),
        Kind::Proved => LB_REV_NAT.insert(tuple, reply, 0).is_ok(),
    };
    // As for flows.
    if settled {
        let _ = LB_REV_NAT_EMB.remove(tuple);
    }
    settled
}

/// Removes the way back of a settled flow.
#[inline(always)]
pub(super) fn forget_settled_rev_nat(tuple: &Tuple) {
    if tuple.proto == UDP {
        let _ = LB_REV_NAT_ANY.remove(tuple);
    } else {
        let _ = LB_REV_NAT.remove(tuple);
    }
}
