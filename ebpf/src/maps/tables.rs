//! The maps, as the datapath asks for them: one look-up or one write each.

use super::clock::{nanoseconds, now};
use super::flows::{self, found, read, seen};
use super::*;
use aya_ebpf::maps::lpm_trie::Key;
use core::intrinsics::{AtomicOrdering, atomic_xadd};
use lb_abi::flow::{milliseconds, ticks};
use lb_datapath::Tables;
use lb_datapath::schedule::another;

#[inline(always)]
fn counted(task: u64, count: impl FnOnce(&mut Counters)) {
    if let Some(counters) = LB_COUNTERS.get_ptr_mut(task) {
        // SAFETY: this CPU's own copy, valid until the program ends (RCU).
        count(unsafe { &mut *counters });
    }
}

/// [`another`], as a global function of BPF: the kernel's verifier knows its parameters as any numbers, and walks through
/// it once (Linux 5.6; `btf_check_func_arg_match` and its successors in kernel/bpf/btf.c).
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn another_task(table: u32, count: u32, from: u64, avoid: u64) -> u64 {
    another(&Maps, table, count, from, avoid)
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
    fn bridge_port(&self, link: u32) -> Option<BridgePort> {
        // SAFETY: as for frontends.
        unsafe { LB_BRIDGE_PORTS.get(link) }.copied()
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
    fn another(&self, table: u32, count: u32, from: u64, avoid: u64) -> u64 {
        another_task(table, count, from, avoid)
    }

    #[inline(always)]
    fn target(&self, key: &TargetKey) -> Option<Be16> {
        // SAFETY: as for frontends.
        unsafe { LB_TARGETS.get(key) }.copied()
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
    fn on_link(&self, client: &OnLink) -> Option<u32> {
        let bits = (size_of::<OnLink>() * 8) as u32;
        LB_ON_LINK.get(Key::new(bits, *client)).copied()
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
    fn path_mtu(&self, peer: Be32) -> Option<PathMtu> {
        // SAFETY: as for frontends.
        unsafe { LB_PATH_MTU.get(peer) }.copied()
    }

    #[inline(always)]
    fn remember_path_mtu(&self, peer: Be32, path: &PathMtu) {
        // Without memory for it the next error is another chance.
        let _ = LB_PATH_MTU.insert(peer, path, 0);
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
    fn clock(&self) -> u32 {
        milliseconds(nanoseconds())
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
        let nanoseconds = nanoseconds();
        flow.seen = ticks(nanoseconds);
        if flow.begun == 0 {
            flow.begun = milliseconds(nanoseconds);
        }
        flows::remember(tuple, flow)
    }

    #[inline(always)]
    fn forget_settled(&self, tuple: &Tuple) {
        flows::forget_settled(tuple);
    }

    #[inline(always)]
    fn prove(&self, tuple: &Tuple, proof: u32) {
        flows::prove(tuple, proof);
    }

    #[inline(always)]
    fn forget_flow(&self, tuple: &Tuple) {
        flows::forget(tuple);
    }

    #[inline(always)]
    fn own_flow(&self, answer: &Tuple) -> Option<u32> {
        let sent = LB_OWN_FLOWS.get_ptr(answer)?;
        // SAFETY: 4 aligned bytes, read in one go. An LRU element may be given to another tuple
        // meanwhile: the worst outcome is one packet astray.
        Some(unsafe { *sent })
    }

    #[inline(always)]
    fn remember_own_flow(&self, answer: &Tuple) {
        let now = now();
        let Some(sent) = LB_OWN_FLOWS.get_ptr_mut(answer) else {
            // Without memory for it the answer is taken for a client's.
            let _ = LB_OWN_FLOWS.insert(answer, now, 0);
            return;
        };
        // SAFETY: as in `own_flow`.
        if unsafe { *sent } != now {
            // SAFETY: as in `own_flow`; whoever writes writes the same.
            unsafe { *sent = now };
        }
    }

    #[inline(always)]
    fn rev_nat(&self, tuple: &Tuple) -> Option<RevNat> {
        flows::rev_nat(tuple)
    }

    #[inline(always)]
    fn remember_rev_nat(&self, tuple: &Tuple, reply: &RevNat) -> bool {
        flows::remember_rev_nat(tuple, reply)
    }

    #[inline(always)]
    fn forget_settled_rev_nat(&self, tuple: &Tuple) {
        flows::forget_settled_rev_nat(tuple);
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
