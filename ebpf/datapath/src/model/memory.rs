//! The maps of the kernel as ordinary collections.

use super::{Capacity, Lru};
use lb_abi::Be16;
use lb_abi::counters::{Counters, Reason};
use lb_abi::flow::{FirstFragment, Flow, Fragments, RevNat, SnatEntry, Tuple};
use lb_abi::path_mtu::PathMtu;
use lb_abi::service::{
    AffinityKey, AffinityValue, Backend, Frontend, OnLink, Port, Slot, Source, TargetKey,
};
use lb_abi::settings::{BridgePort, Settings, Uplink};
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
    /// The bridges of devices that are ports of one.
    pub bridge_ports: BTreeMap<u32, BridgePort>,
    /// Frontends.
    pub frontends: BTreeMap<Port, Frontend>,
    /// Round-robin counters of frontends.
    pub turns: RefCell<BTreeMap<Port, u64>>,
    /// Tables.
    pub slots: BTreeMap<Slot, u64>,
    /// Ports of tasks, where they differ from their frontends'.
    pub targets: BTreeMap<TargetKey, Be16>,
    /// Tasks.
    pub backends: BTreeMap<u64, Backend>,
    /// Tasks by the IPv4 addresses that stand for them.
    pub task_addresses: BTreeMap<u32, u64>,
    /// Own addresses.
    pub addresses: BTreeSet<u32>,
    /// Ports of bridges behind which tasks are, by the tasks' addresses.
    pub endpoints: BTreeMap<u32, u32>,
    /// Networks that tasks of this node reach by devices of their own, with the bits of each and its value.
    pub on_link: BTreeMap<(OnLink, u32), u32>,
    /// Nodes of the Swarm, with the keys of what they send.
    pub peers: BTreeMap<u32, TokenKeys>,
    /// The keys of what this node sends.
    pub token_keys: TokenKeys,
    /// MTUs of paths to nodes of the Swarm, as routers say.
    pub path_mtus: RefCell<BTreeMap<u32, PathMtu>>,
    /// Flows of clients.
    pub flows: RefCell<BTreeMap<Tuple, Flow>>,
    /// Answers to this node's own datagrams, with the time at which it last sent, in ticks.
    pub own_flows: RefCell<BTreeMap<Tuple, u32>>,
    /// Reverse NAT of replies.
    pub replies: RefCell<BTreeMap<Tuple, RevNat>>,
    /// Places for flows and replies; none: as many as they like.
    pub capacity: Option<Capacity>,
    /// Shadowed flows, and the order in which flows were used.
    pub flows_lru: RefCell<Lru<Flow>>,
    /// Shadowed replies, and the order in which replies were used.
    pub replies_lru: RefCell<Lru<RevNat>>,
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
    /// Time since that tick began, in [`lb_abi::flow::milliseconds`]: less than 1,024.
    pub fraction: u32,
}

impl Memory {
    /// Counts traffic of a task, if it is one.
    pub(super) fn counted(&self, task: u64, count: impl FnOnce(&mut Counters)) {
        if let Some(counters) = self.counters.borrow_mut().get_mut(&task) {
            count(counters);
        }
    }
}
