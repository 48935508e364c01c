//! Frames and tables in ordinary memory, with the meaning that the kernel's have.

mod frame;
mod lru;
mod memory;

pub use frame::Frame;
pub use lru::{Capacity, Entry, Lru};
pub use memory::Memory;

use crate::packet::Tables;
use crate::schedule;
use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, FirstFragment, Flow, Fragments, PROVABLE, RevNat, SnatEntry, Tuple};
use lb_abi::path_mtu::PathMtu;
use lb_abi::service::{
    AffinityKey, AffinityValue, Backend, Frontend, OnLink, Port, Slot, Source, TargetKey,
};
use lb_abi::settings::{BridgePort, Settings, Uplink};
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};
use lb_abi::tunnel::TokenKeys;
use lb_abi::{Be16, Be32};

impl Tables for Memory {
    fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    fn uplink(&self, link: u32) -> Option<Uplink> {
        self.uplinks.get(&link).copied()
    }

    fn bridge_port(&self, link: u32) -> Option<BridgePort> {
        self.bridge_ports.get(&link).copied()
    }

    fn frontend(&self, port: &Port) -> Option<Frontend> {
        self.frontends.get(port).copied()
    }

    fn rr_counter(&self, port: &Port) -> Option<u64> {
        let mut turns = self.turns.borrow_mut();
        let turn = turns.get_mut(port)?;
        let was = *turn;
        *turn = turn.wrapping_add(1);
        Some(was)
    }

    fn slot(&self, slot: &Slot) -> Option<u64> {
        self.slots.get(slot).copied()
    }

    fn another(&self, table: u32, count: u32, from: u64, avoid: u64) -> u64 {
        schedule::another(self, table, count, from, avoid)
    }

    fn target(&self, key: &TargetKey) -> Option<Be16> {
        self.targets.get(key).copied()
    }

    fn backend(&self, task: u64) -> Option<Backend> {
        self.backends.get(&task).copied()
    }

    fn task_by_address(&self, address: Be32) -> Option<u64> {
        self.task_addresses.get(&address.get()).copied()
    }

    fn is_vip(&self, address: Be32) -> bool {
        self.addresses.contains(&address.get())
    }

    fn endpoint(&self, address: Be32) -> Option<u32> {
        self.endpoints.get(&address.get()).copied()
    }

    fn on_link(&self, client: &OnLink) -> Option<u32> {
        let within = |(network, bits): &(OnLink, u32)| {
            let shift = u32::BITS - bits;
            let prefix = |address: Be32| address.get().checked_shr(shift).unwrap_or(0);
            network.task == client.task && prefix(network.address) == prefix(client.address)
        };
        let found = self.on_link.iter().filter(|(network, _)| within(network));
        let longest = found.max_by_key(|((_, bits), _)| *bits);
        longest.map(|(_, under)| *under)
    }

    fn peer(&self, address: Be32) -> Option<&TokenKeys> {
        self.peers.get(&address.get())
    }

    fn token_keys(&self) -> Option<&TokenKeys> {
        Some(&self.token_keys)
    }

    fn path_mtu(&self, peer: Be32) -> Option<PathMtu> {
        self.path_mtus.borrow().get(&peer.get()).copied()
    }

    fn remember_path_mtu(&self, peer: Be32, path: &PathMtu) {
        self.path_mtus.borrow_mut().insert(peer.get(), *path);
    }

    fn flow(&self, tuple: &Tuple, state: u32) -> Option<Flow> {
        let mut flows = self.flows.borrow_mut();
        let flow = flows.get_mut(tuple)?;
        let was = *flow;
        flow.state |= state;
        flow.seen = self.now;
        self.flows_lru.borrow_mut().uses(tuple, self.capacity);
        Some(was)
    }

    fn flow_if(&self, tuple: &Tuple, state: u32, fits: impl FnOnce(&Flow) -> bool) -> Option<Flow> {
        let known = self.peek(tuple)?;
        if fits(&known) {
            self.flow(tuple, state)
        } else {
            Some(known)
        }
    }

    fn peek(&self, tuple: &Tuple) -> Option<Flow> {
        self.flows.borrow().get(tuple).copied()
    }

    fn now(&self) -> u32 {
        self.now
    }

    fn clock(&self) -> u32 {
        self.now.wrapping_shl(10).wrapping_add(self.fraction)
    }

    fn leased(&self) -> bool {
        !self.expired
    }

    fn allowed(&self, source: &Source) -> bool {
        self.allowed.iter().any(|(network, bits)| {
            let shift = u32::BITS - bits;
            let prefix = |address: Be32| address.get().checked_shr(shift).unwrap_or(0);
            network.port == source.port && prefix(network.address) == prefix(source.address)
        })
    }

    fn affinity(&self, client: &AffinityKey) -> Option<AffinityValue> {
        let keeping = self.keeping.borrow();
        self.kept
            .borrow()
            .get(client)
            .or(keeping.get(client))
            .copied()
    }

    fn set_affinity(&self, client: &AffinityKey, kept: &AffinityValue, proved: bool) {
        let (mut settled, mut keeping) = (self.kept.borrow_mut(), self.keeping.borrow_mut());
        if proved {
            keeping.remove(client);
            settled.insert(*client, *kept);
            return;
        }
        if settled
            .get(client)
            .is_some_and(|known| known.task == kept.task)
        {
            return;
        }
        settled.remove(client);
        keeping.insert(*client, *kept);
    }

    fn conns(&self, task: u64) -> u64 {
        self.loads.borrow().get(&task).copied().unwrap_or(0)
    }

    fn add_conn(&self, task: u64) {
        if let Some(load) = self.loads.borrow_mut().get_mut(&task) {
            *load += 1;
        }
    }

    fn remember(&self, tuple: &Tuple, flow: &mut Flow) -> bool {
        flow.seen = self.now;
        if flow.begun == 0 {
            flow.begun = self.clock();
        }
        let mut lru = self.flows_lru.borrow_mut();
        lru.put(&mut self.flows.borrow_mut(), (tuple, *flow), self.capacity);
        true
    }

    fn forget_settled(&self, tuple: &Tuple) {
        let mut lru = self.flows_lru.borrow_mut();
        lru.forget_settled(&mut self.flows.borrow_mut(), tuple);
    }

    fn prove(&self, tuple: &Tuple, proof: u32) {
        let mut flows = self.flows.borrow_mut();
        let opening = flows
            .get_mut(tuple)
            .filter(|flow| flow.state & EMBRYONIC != 0);
        if let Some(flow) = opening {
            flow.proof = proof;
            flow.state |= PROVABLE;
        }
    }

    fn forget_flow(&self, tuple: &Tuple) {
        let mut lru = self.flows_lru.borrow_mut();
        lru.forget(&mut self.flows.borrow_mut(), tuple);
    }

    fn own_flow(&self, answer: &Tuple) -> Option<u32> {
        self.own_flows.borrow().get(answer).copied()
    }

    fn remember_own_flow(&self, answer: &Tuple) {
        self.own_flows.borrow_mut().insert(*answer, self.now);
    }

    fn rev_nat(&self, tuple: &Tuple) -> Option<RevNat> {
        let reply = self.replies.borrow().get(tuple).copied()?;
        self.replies_lru.borrow_mut().uses(tuple, self.capacity);
        Some(reply)
    }

    fn remember_rev_nat(&self, tuple: &Tuple, reply: &RevNat) -> bool {
        let mut lru = self.replies_lru.borrow_mut();
        lru.put(
            &mut self.replies.borrow_mut(),
            (tuple, *reply),
            self.capacity,
        );
        true
    }

    fn forget_settled_rev_nat(&self, tuple: &Tuple) {
        let mut lru = self.replies_lru.borrow_mut();
        lru.forget_settled(&mut self.replies.borrow_mut(), tuple);
    }

    fn fragments(&self, key: &Fragments) -> Option<FirstFragment> {
        self.fragments.borrow().get(key).copied()
    }

    fn remember_fragments(&self, key: &Fragments, first: &FirstFragment) {
        self.fragments.borrow_mut().insert(*key, *first);
    }

    fn forget_fragments(&self, key: &Fragments) {
        self.fragments.borrow_mut().remove(key);
    }

    fn dropped(&self, reason: Reason) {
        *self.dropped.borrow_mut().entry(reason).or_default() += 1;
    }

    fn sock_rev_nat(&self, call: &SockRevNatKey) -> Option<SockRevNatValue> {
        self.calls.borrow().get(call).copied()
    }

    fn remember_sock_rev_nat(&self, call: &SockRevNatKey, called: &SockRevNatValue) -> bool {
        self.calls.borrow_mut().insert(*call, *called);
        true
    }

    fn hairpin_snat(&self, tuple: &Tuple) -> Option<SnatEntry> {
        self.callers.borrow().get(tuple).copied()
    }

    fn remember_hairpin_snat(&self, tuple: &Tuple, caller: &SnatEntry) -> bool {
        self.callers.borrow_mut().insert(*tuple, *caller);
        true
    }

    fn count_new(&self, task: u64) {
        self.counted(task, |counters| counters.new += 1);
    }

    fn count_in(&self, task: u64, packets: u64, bytes: u64) {
        self.counted(task, |counters| {
            counters.packets_in += packets;
            counters.bytes_in += bytes;
        });
    }

    fn count_out(&self, task: u64, packets: u64, bytes: u64) {
        self.counted(task, |counters| {
            counters.packets_out += packets;
            counters.bytes_out += bytes;
        });
    }
}
