//! Frames and tables in ordinary memory, with the meaning that the kernel's have.

mod frame;

pub use frame::Frame;

use crate::packet::Tables;
use lb_abi::Be32;
use lb_abi::counters::{Counters, Reason};
use lb_abi::flow::{FirstFragment, Flow, Fragments, RevNat, SnatEntry, Tuple};
use lb_abi::service::{AffinityKey, AffinityValue, Backend, Frontend, Port, Slot, Source};
use lb_abi::settings::{Settings, Uplink};
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};
use lb_abi::tunnel::TokenKeys;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// All maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The one entry of the settings map.
    pub settings: Option<Settings>,
    /// Devices that clients come in on.
    pub uplinks: BTreeMap<u32, Uplink>,
    /// Frontends.
    pub frontends: BTreeMap<Port, Frontend>,
    /// Round-robin counters of frontends.
    pub turns: RefCell<BTreeMap<Port, u64>>,
    /// Tables.
    pub slots: BTreeMap<Slot, u64>,
    /// Tasks.
    pub backends: BTreeMap<u64, Backend>,
    /// Tasks by the IPv4 addresses that stand for them.
    pub task_addresses: BTreeMap<u32, u64>,
    /// Own addresses.
    pub addresses: BTreeSet<u32>,
    /// Ports of bridges behind which tasks are, by the tasks' addresses.
    pub endpoints: BTreeMap<u32, u32>,
    /// Nodes of the Swarm, with the keys of what they send.
    pub peers: BTreeMap<u32, TokenKeys>,
    /// The keys of what this node sends.
    pub token_keys: TokenKeys,
    /// Flows of clients.
    pub flows: RefCell<BTreeMap<Tuple, Flow>>,
    /// Reverse NAT of replies.
    pub replies: RefCell<BTreeMap<Tuple, RevNat>>,
    /// First fragments of fragmented packets.
    pub fragments: RefCell<BTreeMap<Fragments, FirstFragment>>,
    /// Packets that something else was sent for.
    pub dropped: RefCell<BTreeMap<Reason, u64>>,
    /// Addresses and ports that processes on the node asked for.
    pub calls: RefCell<BTreeMap<SockRevNatKey, SockRevNatValue>>,
    /// Containers of this node that call.
    pub callers: RefCell<BTreeMap<Tuple, SnatEntry>>,
    /// Traffic per task.
    pub counters: RefCell<BTreeMap<u64, Counters>>,
    /// Networks that may open flows to restricted ports, with their bits.
    pub allowed: BTreeSet<(Source, u32)>,
    /// Clients that are kept with their tasks.
    pub kept: RefCell<BTreeMap<AffinityKey, AffinityValue>>,
    /// Clients that are to be, once they have proved to be there.
    pub keeping: RefCell<BTreeMap<AffinityKey, AffinityValue>>,
    /// Flows of tasks, where that matters.
    pub loads: RefCell<BTreeMap<u64, u64>>,
    /// The agent's lease has run out.
    pub expired: bool,
    /// Time of the clock of flows, in ticks.
    pub now: u32,
}

impl Memory {
    fn counted(&self, task: u64, count: impl FnOnce(&mut Counters)) {
        if let Some(counters) = self.counters.borrow_mut().get_mut(&task) {
            count(counters);
        }
    }
}

impl Tables for Memory {
    fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    fn uplink(&self, link: u32) -> Option<Uplink> {
        self.uplinks.get(&link).copied()
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

    fn peer(&self, address: Be32) -> Option<&TokenKeys> {
        self.peers.get(&address.get())
    }

    fn token_keys(&self) -> Option<&TokenKeys> {
        Some(&self.token_keys)
    }

    fn flow(&self, tuple: &Tuple, state: u32) -> Option<Flow> {
        let mut flows = self.flows.borrow_mut();
        let flow = flows.get_mut(tuple)?;
        let was = *flow;
        flow.state |= state;
        flow.seen = self.now;
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
        self.flows.borrow_mut().insert(*tuple, *flow);
        true
    }

    fn rev_nat(&self, tuple: &Tuple) -> Option<RevNat> {
        self.replies.borrow().get(tuple).copied()
    }

    fn remember_rev_nat(&self, tuple: &Tuple, reply: &RevNat) -> bool {
        self.replies.borrow_mut().insert(*tuple, *reply);
        true
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
