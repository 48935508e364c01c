//! Frames and tables in ordinary memory, with the meaning that the kernel's have.

mod frame;

pub use frame::Frame;

use crate::packet::Tables;
use lb_abi::Be32;
use lb_abi::call::{Call, Called};
use lb_abi::counters::{Counters, Reason};
use lb_abi::flow::{Caller, Flow, Fragments, Ports, Reply, Tuple};
use lb_abi::service::{Backend, Client, Frontend, Kept, Port, Slot, Source};
use lb_abi::settings::{Settings, Uplink};
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
    /// Turns of frontends.
    pub turns: RefCell<BTreeMap<Port, u64>>,
    /// Tables.
    pub slots: BTreeMap<Slot, u64>,
    /// Tasks.
    pub backends: BTreeMap<u64, Backend>,
    /// Own addresses.
    pub addresses: BTreeSet<u32>,
    /// Nodes of the Swarm.
    pub peers: BTreeSet<u32>,
    /// Flows of clients.
    pub flows: RefCell<BTreeMap<Tuple, Flow>>,
    /// What replies become.
    pub replies: RefCell<BTreeMap<Tuple, Reply>>,
    /// Ports of fragmented packets.
    pub fragments: RefCell<BTreeMap<Fragments, Ports>>,
    /// Packets that something else was sent for.
    pub dropped: RefCell<BTreeMap<Reason, u64>>,
    /// What processes on the node asked for.
    pub calls: RefCell<BTreeMap<Call, Called>>,
    /// Containers of this node that call.
    pub callers: RefCell<BTreeMap<Tuple, Caller>>,
    /// Traffic per task.
    pub counters: RefCell<BTreeMap<u64, Counters>>,
    /// Networks that may open flows to restricted ports, with their bits.
    pub allowed: BTreeSet<(Source, u32)>,
    /// Clients that are kept with their tasks.
    pub kept: RefCell<BTreeMap<Client, Kept>>,
    /// Flows of tasks, where that matters.
    pub loads: RefCell<BTreeMap<u64, u64>>,
    /// The agent's lease has run out.
    pub expired: bool,
    /// What the clock of flows says.
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

    fn turn(&self, port: &Port) -> Option<u64> {
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

    fn answers(&self, address: Be32) -> bool {
        self.addresses.contains(&address.get())
    }

    fn peer(&self, address: Be32) -> bool {
        self.peers.contains(&address.get())
    }

    fn flow(&self, tuple: &Tuple, state: u32) -> Option<Flow> {
        let mut flows = self.flows.borrow_mut();
        let flow = flows.get_mut(tuple)?;
        let was = *flow;
        flow.state |= state;
        flow.seen = self.now;
        Some(was)
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

    fn kept(&self, client: &Client) -> Option<Kept> {
        self.kept.borrow().get(client).copied()
    }

    fn keep(&self, client: &Client, kept: &Kept) {
        self.kept.borrow_mut().insert(*client, *kept);
    }

    fn load(&self, task: u64) -> u64 {
        self.loads.borrow().get(&task).copied().unwrap_or(0)
    }

    fn add_load(&self, task: u64) {
        if let Some(load) = self.loads.borrow_mut().get_mut(&task) {
            *load += 1;
        }
    }

    fn remember(&self, tuple: &Tuple, flow: &Flow) -> bool {
        self.flows.borrow_mut().insert(
            *tuple,
            Flow {
                seen: self.now,
                ..*flow
            },
        );
        true
    }

    fn reply(&self, tuple: &Tuple) -> Option<Reply> {
        self.replies.borrow().get(tuple).copied()
    }

    fn remember_reply(&self, tuple: &Tuple, reply: &Reply) -> bool {
        self.replies.borrow_mut().insert(*tuple, *reply);
        true
    }

    fn fragments(&self, key: &Fragments) -> Option<Ports> {
        self.fragments.borrow().get(key).copied()
    }

    fn remember_fragments(&self, key: &Fragments, ports: &Ports) {
        self.fragments.borrow_mut().insert(*key, *ports);
    }

    fn dropped(&self, reason: Reason) {
        *self.dropped.borrow_mut().entry(reason).or_default() += 1;
    }

    fn call(&self, call: &Call) -> Option<Called> {
        self.calls.borrow().get(call).copied()
    }

    fn remember_call(&self, call: &Call, called: &Called) -> bool {
        self.calls.borrow_mut().insert(*call, *called);
        true
    }

    fn caller(&self, tuple: &Tuple) -> Option<Caller> {
        self.callers.borrow().get(tuple).copied()
    }

    fn remember_caller(&self, tuple: &Tuple, caller: &Caller) -> bool {
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
