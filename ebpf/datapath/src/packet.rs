//! The datapath's interfaces to a packet and to the maps; each hook implements them in its own way.

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
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Bytes of an Ethernet header without tags.
pub const ETHERNET: usize = 14;

/// One frame, beginning with its Ethernet header.
pub trait Packet {
    /// Can this hook rewrite transport checksums and hand packets to `docker_gwbridge`?
    ///
    /// XDP can't: a checksum that the sender left to the hardware looks like a
    /// finished one there, and the bridge is out of its reach.
    const DELIVERS: bool;

    /// Bytes of the frame.
    fn length(&self) -> usize;

    /// The value at `offset`, if it lies within the frame.
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T>;

    /// Writes `value` at `offset`; false if it does not fit.
    fn store<T: IntoBytes + Immutable>(&mut self, offset: usize, value: &T) -> bool;

    /// Inserts [`crate::tunnel::OVERHEAD`] bytes behind the Ethernet header.
    /// `keep_segments`: segments of a merged packet still fit the link after growing.
    fn grow(&mut self, keep_segments: bool) -> bool;

    /// Removes [`crate::tunnel::OVERHEAD`] bytes behind the Ethernet header.
    fn shrink(&mut self) -> bool;

    /// Cuts the frame to `keep` bytes and inserts [`crate::pmtu::ROOM`] bytes behind the
    /// Ethernet header. Only asked where [`Packet::DELIVERS`].
    fn quote(&mut self, keep: usize) -> bool;

    /// Adds to the checksum at `at` (an IPv4 header's) the change of 4 bytes in the header.
    fn patch_header(&mut self, at: usize, from: [u8; 4], to: [u8; 4]) -> bool;

    /// Adds to the transport checksum at `at` the change described.
    fn patch_transport(&mut self, at: usize, change: Change) -> bool;

    /// Is there a way to `destination`, out of the uplink that it came in on, that this hook
    /// can take now? Never to an address of the node itself. Asked before the packet is changed.
    fn route(&mut self, source: Be32, destination: Be32) -> bool;

    /// Does the host's way from `source` to `destination` begin at the device that the packet came
    /// in on?
    fn leads(&mut self, source: Be32, destination: Be32) -> bool;

    /// Bytes of payload per segment where this is several merged ones, else 0.
    fn segment_size(&self) -> u32;

    /// Number of packets on the wire that it is made of.
    fn segments(&self) -> u32;

    /// Cookie of the socket on this node that sent it; 0 if none did.
    fn socket(&self) -> u64;

    /// Did a program of swarmlb send it out of an uplink, by its own decision? Asked of what leaves.
    fn redirected(&self) -> bool;

    /// Did this host receive it from a device, to pass it on? Not so what the host itself sends. Asked of what leaves.
    fn forwarded(&self) -> bool;

    /// Index of the device that it came in on; of the bridge, once it has entered one.
    fn link(&self) -> u32;

    /// It is one of those that come in on the bridge with this index, although the hook is at a port of that
    /// bridge. Only asked where [`Packet::DELIVERS`].
    fn enter(&mut self, bridge: u32);

    /// Does it belong to a VLAN, although no tag is left in its bytes? Then it is that VLAN's
    /// device's, which sees it next.
    fn tagged(&self) -> bool;
}

/// A change of bytes that a TCP or UDP checksum covers.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Before, in network order; 2-byte changes stand in the first two bytes.
    pub from: [u8; 4],
    /// After.
    pub to: [u8; 4],
    /// 2 or 4 bytes?
    pub wide: bool,
    /// In the pseudo header: covered by the sum even where the rest is left to the hardware.
    pub pseudo: bool,
    /// UDP: a sum of zero means none, and stays.
    pub udp: bool,
}

/// The maps. Every call is one look-up or one write.
pub trait Tables {
    /// Facts about the node; none while the agent has not written them.
    fn settings(&self) -> Option<&Settings>;
    /// The uplink with an index, if it is one.
    fn uplink(&self, link: u32) -> Option<Uplink>;
    /// The bridge of a device that is a port of one.
    fn bridge_port(&self, link: u32) -> Option<BridgePort>;
    /// The frontend on a port.
    fn frontend(&self, port: &Port) -> Option<Frontend>;
    /// Adds one to a frontend's round-robin counter and returns its value before.
    fn rr_counter(&self, port: &Port) -> Option<u64>;
    /// The key of the task in a slot.
    fn slot(&self, slot: &Slot) -> Option<u64>;
    /// The task in another place of a table of `count` places than of `avoid`, after place `from`, as
    /// [`crate::schedule::another`] looks for it. Hooks do that in a function which the kernel's verifier walks through
    /// once, and not again with each way that leads to it.
    fn another(&self, table: u32, count: u32, from: u64, avoid: u64) -> u64;
    /// The port of a task for a frontend, where it differs from [`Frontend::target`].
    fn target(&self, key: &TargetKey) -> Option<Be16>;
    /// The task with a key.
    fn backend(&self, task: u64) -> Option<Backend>;
    /// The key of the task that an address of [`lb_abi::sock_rev_nat::TASKS_IPV4`] stands for.
    fn task_by_address(&self, address: Be32) -> Option<u64>;
    /// Is it an address on which this node answers?
    fn is_vip(&self, address: Be32) -> bool;
    /// The index of the port of a bridge behind which the task of this node with this address is, if that
    /// is known.
    fn endpoint(&self, address: Be32) -> Option<u32>;
    /// For a client of a network that a task of this node reaches by a device of its own: the bit of a flow's state
    /// that says under which address the task sees it.
    fn on_link(&self, client: &OnLink) -> Option<u32>;
    /// The keys of the node of the Swarm that has this address, if it is one; they may be none yet.
    fn peer(&self, address: Be32) -> Option<&TokenKeys>;
    /// The keys of this node.
    fn token_keys(&self) -> Option<&TokenKeys>;
    /// What a router last said of the MTU of the path to another node, if one did; it may be too old to be believed.
    fn path_mtu(&self, peer: Be32) -> Option<PathMtu>;
    /// Remembers the MTU of the path to another node. Without memory for it nothing is remembered.
    fn remember_path_mtu(&self, peer: Be32, path: &PathMtu);
    /// The flow of a client's tuple as it was, after setting `state` bits and the time in it.
    fn flow(&self, tuple: &Tuple, state: u32) -> Option<Flow>;
    /// The flow of a client's tuple as it was; where it `fits` who speaks of it, after setting `state` bits and the
    /// time in it.
    fn flow_if(&self, tuple: &Tuple, state: u32, fits: impl FnOnce(&Flow) -> bool) -> Option<Flow>;
    /// The flow of a client's tuple, looked at from aside: nothing is set in it.
    fn peek(&self, tuple: &Tuple) -> Option<Flow>;
    /// The clock of flows: [`lb_abi::flow::ticks`].
    fn now(&self) -> u32;
    /// The finer clock of flows: [`lb_abi::flow::milliseconds`].
    fn clock(&self) -> u32;
    /// Does the agent live, as far as its lease says? If not, new flows are the kernel's.
    fn leased(&self) -> bool;
    /// May a client open flows to a port that is restricted?
    fn allowed(&self, source: &Source) -> bool;
    /// The task that a client of a service is kept with.
    fn affinity(&self, client: &AffinityKey) -> Option<AffinityValue>;
    /// Keeps a client with a task, for good (`proved`) or until it has proved to be there: those that
    /// have not never take room from others. Where that fails, the client is not kept.
    fn set_affinity(&self, client: &AffinityKey, kept: &AffinityValue, proved: bool);
    /// Flows of a task through this node, about.
    fn conns(&self, task: u64) -> u64;
    /// Adds one to the flows of a task through this node.
    fn add_conn(&self, task: u64);
    /// Remembers a flow, seen now, and begun now where it does not say when, in the table of its
    /// [`lb_abi::flow::Kind`]. It is in the place of an opening one; a settled one is found before it.
    /// `flow` is written to, as programs have no stack for a copy.
    fn remember(&self, tuple: &Tuple, flow: &mut Flow) -> bool;
    /// Forgets the settled flow of a client's tuple. One that is [`lb_abi::flow::EMBRYONIC`] stays.
    fn forget_settled(&self, tuple: &Tuple);
    /// Sets [`Flow::proof`] of an opening flow.
    fn prove(&self, tuple: &Tuple, proof: u32);
    /// Forgets the flow of a client's tuple, in the tables of all kinds.
    fn forget_flow(&self, tuple: &Tuple);
    /// When this node last sent a datagram whose answer bears this tuple, in ticks, if that is known.
    fn own_flow(&self, answer: &Tuple) -> Option<u32>;
    /// Remembers that this node sends now a datagram whose answer bears this tuple. Without room for it nothing is
    /// remembered.
    fn remember_own_flow(&self, answer: &Tuple);
    /// Reverse NAT of a task's packets.
    fn rev_nat(&self, tuple: &Tuple) -> Option<RevNat>;
    /// Remembers the reverse NAT of a task's packets, as [`Tables::remember`] does flows.
    fn remember_rev_nat(&self, tuple: &Tuple, reply: &RevNat) -> bool;
    /// Forgets the reverse NAT of a settled flow.
    fn forget_settled_rev_nat(&self, tuple: &Tuple);
    /// The first fragment of a fragmented packet, if that was ours.
    fn fragments(&self, key: &Fragments) -> Option<FirstFragment>;
    /// Remembers a first fragment.
    fn remember_fragments(&self, key: &Fragments, first: &FirstFragment);
    /// Forgets a first fragment.
    fn forget_fragments(&self, key: &Fragments);
    /// Address and port that a process asked for whose socket is pointed elsewhere.
    fn sock_rev_nat(&self, call: &SockRevNatKey) -> Option<SockRevNatValue>;
    /// Remembers the address and port that a process asked for.
    fn remember_sock_rev_nat(&self, call: &SockRevNatKey, called: &SockRevNatValue) -> bool;
    /// The container that is presented under a tuple.
    fn hairpin_snat(&self, tuple: &Tuple) -> Option<SnatEntry>;
    /// Remembers the container that is presented under a tuple.
    fn remember_hairpin_snat(&self, tuple: &Tuple, caller: &SnatEntry) -> bool;
    /// Counts a packet that does not go on, although something else is sent in its place.
    fn dropped(&self, reason: Reason);
    /// Counts a new flow of a task.
    fn count_new(&self, task: u64);
    /// Counts packets from a client to a task.
    fn count_in(&self, task: u64, packets: u64, bytes: u64);
    /// Counts packets from a task to a client.
    fn count_out(&self, task: u64, packets: u64, bytes: u64);
}
