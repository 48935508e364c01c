//! The maps, as the datapath asks for them: one look-up or one write each.

use super::*;
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use aya_ebpf::maps::lpm_trie::Key;
use core::intrinsics::{AtomicOrdering, atomic_or, atomic_xadd};
use lb_abi::flow::{OPENING, ticks};
use lb_datapath::Tables;

#[inline(always)]
fn nanoseconds() -> u64 {
    // SAFETY: the helper takes nothing and is there since Linux 5.11.
    unsafe { bpf_ktime_get_coarse_ns() }
}

#[inline(always)]
pub(super) fn now() -> u32 {
    ticks(nanoseconds())
}

#[inline(always)]
fn found(tuple: &Tuple) -> Option<*mut Flow> {
    match LB_FLOWS.get_ptr_mut(tuple) {
        Some(flow) => Some(flow),
        None => LB_OPENING.get_ptr_mut(tuple),
    }
}

#[inline(always)]
fn counted(task: u64, count: impl FnOnce(&mut Counters)) {
    if let Some(counters) = LB_COUNTERS.get_ptr_mut(task) {
        // SAFETY: this CPU's own copy, valid until the program ends (RCU).
        count(unsafe { &mut *counters });
    }
}

impl Tables for Maps {
    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        settings()
    }

    #[inline(always)]
    fn uplink(&self, link: u32) -> Option<Uplink> {
        // SAFETY: as for frontends.
        unsafe { LB_UPLINKS.get(link) }.copied()
    }

    #[inline(always)]
    fn frontend(&self, port: &Port) -> Option<Frontend> {
        // SAFETY: values are replaced as a whole, never written in place (no preallocation).
        unsafe { LB_FRONTENDS.get(port) }.copied()
    }

    #[inline(always)]
    fn turn(&self, port: &Port) -> Option<u64> {
        let turn = LB_TURNS.get_ptr_mut(port)?;
        // Not relaxed: LLVM 22 makes of that an addition that does not return the old value.
        // SAFETY: map values are 8-byte aligned, and everyone touches this one atomically.
        Some(unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::AcqRel }>(turn, 1) })
    }

    #[inline(always)]
    fn slot(&self, slot: &Slot) -> Option<u64> {
        // SAFETY: as for frontends.
        unsafe { LB_SLOTS.get(slot) }.copied()
    }

    #[inline(always)]
    fn backend(&self, task: u64) -> Option<Backend> {
        // SAFETY: as for frontends.
        unsafe { LB_BACKENDS.get(task) }.copied()
    }

    #[inline(always)]
    fn answers(&self, address: Be32) -> bool {
        LB_ADDRESSES.get_ptr(address).is_some()
    }

    #[inline(always)]
    fn peer(&self, address: Be32) -> bool {
        LB_PEERS.get_ptr(address).is_some()
    }

    #[inline(always)]
    fn flow(&self, tuple: &Tuple, state: u32) -> Option<Flow> {
        let flow = found(tuple)?;
        // SAFETY: the kernel keeps the element's memory until the program ends; its
        // task and peer are written before it is found. An LRU element may be given
        // to another tuple meanwhile: the worst outcome is one packet astray.
        let was = unsafe { *flow };
        if was.state | state != was.state {
            // SAFETY: as above; both directions may set bits at once, hence atomically.
            unsafe {
                atomic_or::<u32, u32, { AtomicOrdering::Relaxed }>(&raw mut (*flow).state, state)
            };
        }
        let now = now();
        if was.seen != now {
            // SAFETY: as above; whoever writes writes the same.
            unsafe { (*flow).seen = now };
        }
        Some(was)
    }

    #[inline(always)]
    fn peek(&self, tuple: &Tuple) -> Option<Flow> {
        let flow = found(tuple)?;
        // SAFETY: as for flows; only read.
        Some(unsafe { *flow })
    }

    #[inline(always)]
    fn now(&self) -> u32 {
        now()
    }

    #[inline(always)]
    fn leased(&self) -> bool {
        match LB_LEASE.get(0) {
            Some(&until) => until == 0 || nanoseconds() < until,
            None => true,
        }
    }

    #[inline(always)]
    fn allowed(&self, source: &Source) -> bool {
        let bits = (size_of::<Source>() * 8) as u32;
        LB_ALLOWED.get(Key::new(bits, *source)).is_some()
    }

    #[inline(always)]
    fn kept(&self, client: &Client) -> Option<Kept> {
        // SAFETY: as for replies.
        unsafe { LB_KEPT.get(client) }.copied()
    }

    #[inline(always)]
    fn keep(&self, client: &Client, kept: &Kept) {
        // Without memory for it the client goes on as if it were new.
        let _ = LB_KEPT.insert(client, kept, 0);
    }

    #[inline(always)]
    fn load(&self, task: u64) -> u64 {
        match LB_LOADS.get_ptr(task) {
            // SAFETY: 8 aligned bytes, read in one go.
            Some(load) => unsafe { *load },
            None => 0,
        }
    }

    #[inline(always)]
    fn add_load(&self, task: u64) {
        if let Some(load) = LB_LOADS.get_ptr_mut(task) {
            // SAFETY: map values are 8-byte aligned, and programs touch this one atomically.
            unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::AcqRel }>(load, 1) };
        }
    }

    #[inline(always)]
    fn remember(&self, tuple: &Tuple, flow: &Flow) -> bool {
        let flow = Flow {
            seen: now(),
            ..*flow
        };
        if flow.state & OPENING != 0 {
            return LB_OPENING.insert(tuple, flow, 0).is_ok();
        }
        // Once a connection: else an older one would be found there when this one is gone.
        let _ = LB_OPENING.remove(tuple);
        LB_FLOWS.insert(tuple, flow, 0).is_ok()
    }

    #[inline(always)]
    fn reply(&self, tuple: &Tuple) -> Option<Reply> {
        // SAFETY: as for flows; replies are never written in place.
        match unsafe { LB_REPLIES.get(tuple) } {
            Some(reply) => Some(*reply),
            // SAFETY: the same.
            None => unsafe { LB_ANSWERING.get(tuple) }.copied(),
        }
    }

    #[inline(always)]
    fn remember_reply(&self, tuple: &Tuple, reply: &Reply) -> bool {
        if reply.opening != 0 {
            return LB_ANSWERING.insert(tuple, reply, 0).is_ok();
        }
        // As for flows.
        let _ = LB_ANSWERING.remove(tuple);
        LB_REPLIES.insert(tuple, reply, 0).is_ok()
    }

    #[inline(always)]
    fn fragments(&self, key: &Fragments) -> Option<Ports> {
        // SAFETY: as for replies.
        unsafe { LB_FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn remember_fragments(&self, key: &Fragments, ports: &Ports) {
        // Without memory for them the rest of the packet is lost, as any packet may be.
        let _ = LB_FRAGMENTS.insert(key, ports, 0);
    }

    #[inline(always)]
    fn dropped(&self, reason: Reason) {
        count_drop(reason as u32);
    }

    #[inline(always)]
    fn call(&self, call: &Call) -> Option<Called> {
        // SAFETY: as for flows; calls are never written in place.
        unsafe { LB_CALLS.get(call) }.copied()
    }

    #[inline(always)]
    fn remember_call(&self, call: &Call, called: &Called) -> bool {
        LB_CALLS.insert(call, called, 0).is_ok()
    }

    #[inline(always)]
    fn caller(&self, tuple: &Tuple) -> Option<Caller> {
        // SAFETY: as for replies.
        unsafe { LB_CALLERS.get(tuple) }.copied()
    }

    #[inline(always)]
    fn remember_caller(&self, tuple: &Tuple, caller: &Caller) -> bool {
        LB_CALLERS.insert(tuple, caller, 0).is_ok()
    }

    #[inline(always)]
    fn count_new(&self, task: u64) {
        counted(task, |counters| counters.new += 1);
    }

    #[inline(always)]
    fn count_in(&self, task: u64, packets: u64, bytes: u64) {
        counted(task, |counters| {
            counters.packets_in += packets;
            counters.bytes_in += bytes;
        });
    }

    #[inline(always)]
    fn count_out(&self, task: u64, packets: u64, bytes: u64) {
        counted(task, |counters| {
            counters.packets_out += packets;
            counters.bytes_out += bytes;
        });
    }
}
