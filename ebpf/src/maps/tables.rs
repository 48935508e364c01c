//! The maps, as the datapath asks for them: one look-up or one write each.

use super::*;
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use aya_ebpf::maps::lpm_trie::Key;
use core::intrinsics::{AtomicOrdering, atomic_or, atomic_xadd};
use lb_abi::flow::{EMBRYONIC, ticks};
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
        None => LB_EMBRYONIC.get_ptr_mut(tuple),
    }
}

/// The flow as it stands there.
#[inline(always)]
fn read(flow: *mut Flow) -> Flow {
    // SAFETY: the kernel keeps the element's memory until the program ends; its
    // task and peer are written before it is found. An LRU element may be given
    // to another tuple meanwhile: the worst outcome is one packet astray.
    unsafe { *flow }
}

/// Sets `state` bits and the time in a flow, which was as given.
#[inline(always)]
fn seen(flow: *mut Flow, was: Flow, state: u32) -> Flow {
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
    fn rr_counter(&self, port: &Port) -> Option<u64> {
        let turn = LB_RR.get_ptr_mut(port)?;
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
    fn task_by_address(&self, address: Be32) -> Option<u64> {
        // SAFETY: as for frontends.
        unsafe { LB_TASK_ADDRS.get(address) }.copied()
    }

    #[inline(always)]
    fn is_vip(&self, address: Be32) -> bool {
        LB_VIPS.get_ptr(address).is_some()
    }

    #[inline(always)]
    fn endpoint(&self, address: Be32) -> Option<u32> {
        // SAFETY: as for frontends.
        unsafe { LB_ENDPOINTS.get(address) }.copied()
    }

    #[inline(always)]
    fn peer(&self, address: Be32) -> Option<&TokenKeys> {
        // SAFETY: as for frontends.
        unsafe { LB_PEERS.get(address) }
    }

    #[inline(always)]
    fn token_keys(&self) -> Option<&TokenKeys> {
        LB_TOKEN_KEYS.get(0)
    }

    #[inline(always)]
    fn flow(&self, tuple: &Tuple, state: u32) -> Option<Flow> {
        let flow = found(tuple)?;
        Some(seen(flow, read(flow), state))
    }

    #[inline(always)]
    fn flow_if(&self, tuple: &Tuple, state: u32, fits: impl FnOnce(&Flow) -> bool) -> Option<Flow> {
        let flow = found(tuple)?;
        let was = read(flow);
        if fits(&was) {
            seen(flow, was, state);
        }
        Some(was)
    }

    #[inline(always)]
    fn peek(&self, tuple: &Tuple) -> Option<Flow> {
        found(tuple).map(read)
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
    fn affinity(&self, client: &AffinityKey) -> Option<AffinityValue> {
        // SAFETY: as for replies.
        match unsafe { LB_AFFINITY.get(client) } {
            Some(kept) => Some(*kept),
            // SAFETY: the same.
            None => unsafe { LB_AFFINITY_EMB.get(client) }.copied(),
        }
    }

    #[inline(always)]
    fn set_affinity(&self, client: &AffinityKey, kept: &AffinityValue, proved: bool) {
        // Without memory for it the client goes on as if it were new.
        if proved {
            let _ = LB_AFFINITY_EMB.remove(client);
            let _ = LB_AFFINITY.insert(client, kept, 0);
            return;
        }
        // SAFETY: as for replies.
        match unsafe { LB_AFFINITY.get(client) } {
            Some(known) if known.task == kept.task => return,
            // That is over: else the client would get another task.
            Some(_) => {
                let _ = LB_AFFINITY.remove(client);
            }
            None => {}
        }
        let _ = LB_AFFINITY_EMB.insert(client, kept, 0);
    }

    #[inline(always)]
    fn conns(&self, task: u64) -> u64 {
        match LB_CONNS.get_ptr(task) {
            // SAFETY: 8 aligned bytes, read in one go.
            Some(load) => unsafe { *load },
            None => 0,
        }
    }

    #[inline(always)]
    fn add_conn(&self, task: u64) {
        if let Some(load) = LB_CONNS.get_ptr_mut(task) {
            // SAFETY: map values are 8-byte aligned, and programs touch this one atomically.
            unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::AcqRel }>(load, 1) };
        }
    }

    #[inline(always)]
    fn remember(&self, tuple: &Tuple, flow: &mut Flow) -> bool {
        flow.seen = now();
        if flow.state & EMBRYONIC != 0 {
            return LB_EMBRYONIC.insert(tuple, flow, 0).is_ok();
        }
        // Once a connection: else an older one would be found there when this one is gone.
        let _ = LB_EMBRYONIC.remove(tuple);
        LB_FLOWS.insert(tuple, flow, 0).is_ok()
    }

    #[inline(always)]
    fn rev_nat(&self, tuple: &Tuple) -> Option<RevNat> {
        // SAFETY: as for flows; replies are never written in place.
        match unsafe { LB_REV_NAT.get(tuple) } {
            Some(reply) => Some(*reply),
            // SAFETY: the same.
            None => unsafe { LB_REV_NAT_EMB.get(tuple) }.copied(),
        }
    }

    #[inline(always)]
    fn remember_rev_nat(&self, tuple: &Tuple, reply: &RevNat) -> bool {
        if reply.opening != 0 {
            return LB_REV_NAT_EMB.insert(tuple, reply, 0).is_ok();
        }
        // As for flows.
        let _ = LB_REV_NAT_EMB.remove(tuple);
        LB_REV_NAT.insert(tuple, reply, 0).is_ok()
    }

    #[inline(always)]
    fn fragments(&self, key: &Fragments) -> Option<FirstFragment> {
        // SAFETY: as for replies.
        unsafe { LB_FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn remember_fragments(&self, key: &Fragments, first: &FirstFragment) {
        // Without memory for it the rest of the packet is lost, as any packet may be.
        let _ = LB_FRAGMENTS.insert(key, first, 0);
    }

    #[inline(always)]
    fn forget_fragments(&self, key: &Fragments) {
        let _ = LB_FRAGMENTS.remove(key);
    }

    #[inline(always)]
    fn dropped(&self, reason: Reason) {
        count_drop(reason as u32);
    }

    #[inline(always)]
    fn sock_rev_nat(&self, call: &SockRevNatKey) -> Option<SockRevNatValue> {
        // SAFETY: as for flows; calls are never written in place.
        unsafe { LB_SOCK_REV_NAT.get(call) }.copied()
    }

    #[inline(always)]
    fn remember_sock_rev_nat(&self, call: &SockRevNatKey, called: &SockRevNatValue) -> bool {
        LB_SOCK_REV_NAT.insert(call, called, 0).is_ok()
    }

    #[inline(always)]
    fn hairpin_snat(&self, tuple: &Tuple) -> Option<SnatEntry> {
        // SAFETY: as for replies.
        unsafe { LB_HAIRPIN_SNAT.get(tuple) }.copied()
    }

    #[inline(always)]
    fn remember_hairpin_snat(&self, tuple: &Tuple, caller: &SnatEntry) -> bool {
        LB_HAIRPIN_SNAT.insert(tuple, caller, 0).is_ok()
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
