//! Tables that refuse or change between two look-ups, and frames that can't be changed.

use std::cell::Cell;

use lb_abi::counters::Reason;
use lb_abi::flow::{FirstFragment, Flow, Fragments, RevNat, SnatEntry, Tuple};
use lb_abi::path_mtu::PathMtu;
use lb_abi::service::{
    AffinityKey, AffinityValue, Backend, Frontend, OnLink, Port, Slot, Source, TargetKey,
};
use lb_abi::settings::{BridgePort, Settings, Uplink};
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};
use lb_abi::tunnel::TokenKeys;
use lb_abi::{Be16, Be32};
use lb_datapath::model::{Frame, Memory};
use lb_datapath::packet::Change;
use lb_datapath::schedule::another;
use lb_datapath::{Packet, Tables};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Tables with one fault.
#[derive(Default)]
pub(crate) struct Faulty {
    pub(crate) memory: Memory,
    pub(crate) no_turn: bool,
    pub(crate) no_flow: bool,
    pub(crate) no_reply: bool,
    /// So many look-ups of a slot find the old table gone.
    pub(crate) gone: Cell<u32>,
    /// The frontend from its second look-up on.
    pub(crate) then: Option<Option<Frontend>>,
    pub(crate) asked: Cell<bool>,
}

impl Tables for Faulty {
    fn peek(&self, tuple: &Tuple) -> Option<Flow> {
        self.memory.peek(tuple)
    }

    fn now(&self) -> u32 {
        self.memory.now()
    }

    fn clock(&self) -> u32 {
        self.memory.clock()
    }

    fn forget_settled(&self, tuple: &Tuple) {
        self.memory.forget_settled(tuple);
    }

    fn prove(&self, tuple: &Tuple, proof: u32) {
        self.memory.prove(tuple, proof);
    }

    fn forget_settled_rev_nat(&self, tuple: &Tuple) {
        self.memory.forget_settled_rev_nat(tuple);
    }

    fn another(&self, table: u32, count: u32, from: u64, avoid: u64) -> u64 {
        another(self, table, count, from, avoid)
    }

    fn leased(&self) -> bool {
        self.memory.leased()
    }

    fn allowed(&self, source: &Source) -> bool {
        self.memory.allowed(source)
    }

    fn affinity(&self, client: &AffinityKey) -> Option<AffinityValue> {
        self.memory.affinity(client)
    }

    fn set_affinity(&self, client: &AffinityKey, kept: &AffinityValue, proved: bool) {
        self.memory.set_affinity(client, kept, proved);
    }

    fn conns(&self, task: u64) -> u64 {
        self.memory.conns(task)
    }

    fn add_conn(&self, task: u64) {
        self.memory.add_conn(task);
    }

    fn settings(&self) -> Option<&Settings> {
        self.memory.settings()
    }
    fn uplink(&self, link: u32) -> Option<Uplink> {
        self.memory.uplink(link)
    }
    fn bridge_port(&self, link: u32) -> Option<BridgePort> {
        self.memory.bridge_port(link)
    }
    fn fragments(&self, key: &Fragments) -> Option<FirstFragment> {
        self.memory.fragments(key)
    }
    fn remember_fragments(&self, key: &Fragments, first: &FirstFragment) {
        self.memory.remember_fragments(key, first);
    }
    fn forget_fragments(&self, key: &Fragments) {
        self.memory.forget_fragments(key);
    }
    fn dropped(&self, reason: Reason) {
        self.memory.dropped(reason);
    }
    fn frontend(&self, port: &Port) -> Option<Frontend> {
        match self.then {
            Some(then) if self.asked.replace(true) => then,
            _ => self.memory.frontend(port),
        }
    }
    fn rr_counter(&self, port: &Port) -> Option<u64> {
        self.memory.rr_counter(port).filter(|_| !self.no_turn)
    }
    fn slot(&self, slot: &Slot) -> Option<u64> {
        if self.gone.get() == 0 {
            return self.memory.slot(slot);
        }
        self.gone.set(self.gone.get() - 1);
        None
    }
    fn target(&self, key: &TargetKey) -> Option<Be16> {
        self.memory.target(key)
    }
    fn backend(&self, task: u64) -> Option<Backend> {
        self.memory.backend(task)
    }
    fn task_by_address(&self, address: Be32) -> Option<u64> {
        self.memory.task_by_address(address)
    }
    fn is_vip(&self, address: Be32) -> bool {
        self.memory.is_vip(address)
    }
    fn endpoint(&self, address: Be32) -> Option<u32> {
        self.memory.endpoint(address)
    }
    fn on_link(&self, client: &OnLink) -> Option<u32> {
        self.memory.on_link(client)
    }
    fn peer(&self, address: Be32) -> Option<&TokenKeys> {
        self.memory.peer(address)
    }
    fn token_keys(&self) -> Option<&TokenKeys> {
        self.memory.token_keys()
    }
    fn path_mtu(&self, peer: Be32) -> Option<PathMtu> {
        self.memory.path_mtu(peer)
    }
    fn remember_path_mtu(&self, peer: Be32, path: &PathMtu) {
        self.memory.remember_path_mtu(peer, path);
    }
    fn flow_if(&self, tuple: &Tuple, state: u32, fits: impl FnOnce(&Flow) -> bool) -> Option<Flow> {
        self.memory.flow_if(tuple, state, fits)
    }
    fn flow(&self, tuple: &Tuple, state: u32) -> Option<Flow> {
        self.memory.flow(tuple, state)
    }
    fn remember(&self, tuple: &Tuple, flow: &mut Flow) -> bool {
        !self.no_flow && self.memory.remember(tuple, flow)
    }
    fn forget_flow(&self, tuple: &Tuple) {
        self.memory.forget_flow(tuple);
    }
    fn own_flow(&self, answer: &Tuple) -> Option<u32> {
        self.memory.own_flow(answer)
    }
    fn remember_own_flow(&self, answer: &Tuple) {
        self.memory.remember_own_flow(answer);
    }
    fn rev_nat(&self, tuple: &Tuple) -> Option<RevNat> {
        self.memory.rev_nat(tuple)
    }
    fn remember_rev_nat(&self, tuple: &Tuple, reply: &RevNat) -> bool {
        !self.no_reply && self.memory.remember_rev_nat(tuple, reply)
    }
    fn hairpin_snat(&self, tuple: &Tuple) -> Option<SnatEntry> {
        self.memory.hairpin_snat(tuple)
    }
    fn remember_hairpin_snat(&self, tuple: &Tuple, caller: &SnatEntry) -> bool {
        self.memory.remember_hairpin_snat(tuple, caller)
    }
    fn sock_rev_nat(&self, call: &SockRevNatKey) -> Option<SockRevNatValue> {
        self.memory.sock_rev_nat(call)
    }
    fn remember_sock_rev_nat(&self, call: &SockRevNatKey, called: &SockRevNatValue) -> bool {
        self.memory.remember_sock_rev_nat(call, called)
    }
    fn count_new(&self, task: u64) {
        self.memory.count_new(task);
    }
    fn count_in(&self, task: u64, packets: u64, bytes: u64) {
        self.memory.count_in(task, packets, bytes);
    }
    fn count_out(&self, task: u64, packets: u64, bytes: u64) {
        self.memory.count_out(task, packets, bytes);
    }
}

/// A frame that can't be changed.
pub(crate) struct Stiff<const DELIVERS: bool>(pub(crate) Frame<DELIVERS>);

impl<const DELIVERS: bool> Packet for Stiff<DELIVERS> {
    const DELIVERS: bool = DELIVERS;
    fn length(&self) -> usize {
        self.0.length()
    }
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        self.0.load(offset)
    }
    fn store<T: IntoBytes + Immutable>(&mut self, _: usize, _: &T) -> bool {
        false
    }
    fn grow(&mut self, _: bool) -> bool {
        false
    }
    fn shrink(&mut self) -> bool {
        false
    }
    fn quote(&mut self, _: usize) -> bool {
        false
    }
    fn patch_header(&mut self, _: usize, _: [u8; 4], _: [u8; 4]) -> bool {
        false
    }
    fn patch_transport(&mut self, _: usize, _: Change) -> bool {
        false
    }
    fn route(&mut self, source: Be32, destination: Be32) -> bool {
        self.0.route(source, destination)
    }
    fn leads(&mut self, source: Be32, destination: Be32) -> bool {
        self.0.leads(source, destination)
    }
    fn segment_size(&self) -> u32 {
        0
    }
    fn segments(&self) -> u32 {
        1
    }
    fn redirected(&self) -> bool {
        false
    }
    fn forwarded(&self) -> bool {
        self.0.forwarded
    }
    fn link(&self) -> u32 {
        0
    }
    fn enter(&mut self, _: u32) {}
    fn tagged(&self) -> bool {
        self.0.tagged()
    }
    fn socket(&self) -> u64 {
        0
    }
}
