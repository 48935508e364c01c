//! Every map, and the datapath's view of them.
//!
//! All are pinned by name in the directory that the agent chooses, so that flows
//! and counters outlive it.
#![expect(
    unsafe_code,
    reason = "map values are reached through the kernel's pointers"
)]

mod clock;
mod flows;
mod tables;

use clock::now;

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::lpm_trie::LpmTrie;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap};
use lb_abi::counters::{Counters, Reason};
use lb_abi::flow::{FirstFragment, Flow, Fragments, RevNat, SnatEntry, Tuple};
use lb_abi::path_mtu::PathMtu;
use lb_abi::service::{
    AffinityKey, AffinityValue, Backend, Frontend, OnLink, Port, Slot, Source, TargetKey,
};
use lb_abi::settings::{BridgePort, Settings, Uplink};
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};
use lb_abi::tunnel::TokenKeys;
use lb_abi::{Be16, Be32, limits};
use lb_datapath::deliver::Delivery;

/// One entry: facts about the node.
#[map]
static LB_SETTINGS: Array<Settings> = Array::pinned(1, 0);
/// Devices that clients come in on, by index.
#[map]
static LB_UPLINKS: HashMap<u32, Uplink> = HashMap::pinned(limits::UPLINKS, BPF_F_NO_PREALLOC);
/// Devices that are ports of bridges, by index, with their bridges.
#[map]
static LB_BRIDGE_PORTS: HashMap<u32, BridgePort> =
    HashMap::pinned(limits::BRIDGE_PORTS, BPF_F_NO_PREALLOC);
/// Addresses on which published ports are answered. The value is unused.
#[map]
static LB_VIPS: HashMap<Be32, u32> = HashMap::pinned(limits::VIPS, BPF_F_NO_PREALLOC);
/// Addresses of this node's tasks, with the index of the port of a bridge behind which each of them is.
#[map]
static LB_ENDPOINTS: HashMap<Be32, u32> = HashMap::pinned(limits::ENDPOINTS, BPF_F_NO_PREALLOC);
/// Nodes whose tunnel packets are opened, with the keys of those.
#[map]
static LB_PEERS: HashMap<Be32, TokenKeys> = HashMap::pinned(limits::PEERS, BPF_F_NO_PREALLOC);
/// One entry: the keys of what this node puts into the tunnel.
#[map]
static LB_TOKEN_KEYS: Array<TokenKeys> = Array::pinned(1, 0);
/// MTUs of the paths to other nodes, as routers say in ICMP errors about tunnel packets.
#[map]
static LB_PATH_MTU: HashMap<Be32, PathMtu> = HashMap::pinned(limits::PEERS, BPF_F_NO_PREALLOC);
/// Published ports.
#[map]
static LB_FRONTENDS: HashMap<Port, Frontend> =
    HashMap::pinned(limits::FRONTENDS, BPF_F_NO_PREALLOC);
/// Round-robin counters, by published port: apart from the frontend, so that replacing it keeps the counter.
#[map]
static LB_RR: HashMap<Port, u64> = HashMap::pinned(limits::FRONTENDS, BPF_F_NO_PREALLOC);
/// Tables of tasks that take new flows.
#[map]
static LB_SLOTS: HashMap<Slot, u64> = HashMap::pinned(limits::SLOTS, BPF_F_NO_PREALLOC);
/// Ports of tasks, by task and published port, where they differ from the frontend's.
#[map]
static LB_TARGETS: HashMap<TargetKey, Be16> = HashMap::pinned(limits::TARGETS, BPF_F_NO_PREALLOC);
/// Tasks that may hold flows.
#[map]
static LB_BACKENDS: HashMap<u64, Backend> = HashMap::pinned(limits::BACKENDS, BPF_F_NO_PREALLOC);
/// Tasks by the IPv4 addresses under which processes of the node call them, where its kernel has no IPv6.
#[map]
static LB_TASK_ADDRS: HashMap<Be32, u64> =
    HashMap::pinned(limits::TASK_ADDRESSES, BPF_F_NO_PREALLOC);
/// Traffic per task.
#[map]
static LB_COUNTERS: PerCpuHashMap<u64, Counters> =
    PerCpuHashMap::pinned(limits::BACKENDS, BPF_F_NO_PREALLOC);
/// Traffic of tasks that are gone, per service; written by the agent only.
#[map]
static LB_RETIRED: HashMap<u64, Counters> = HashMap::pinned(limits::SERVICES, BPF_F_NO_PREALLOC);
/// One entry: until when the agent's lease lasts, in nanoseconds of the monotonic clock; 0: without end.
#[map]
static LB_LEASE: Array<u64> = Array::pinned(1, 0);
/// Networks of clients that restricted ports are open to. The value is unused.
#[map]
static LB_ALLOWED: LpmTrie<Source, u32> = LpmTrie::pinned(limits::ALLOWED, BPF_F_NO_PREALLOC);
/// Networks that tasks of this node reach by devices of their own, with the bit of a flow's state that says under
/// which address those tasks see clients of them.
#[map]
static LB_ON_LINK: LpmTrie<OnLink, u32> = LpmTrie::pinned(limits::ON_LINK, BPF_F_NO_PREALLOC);
/// Clients that stay with their tasks.
#[map]
static LB_AFFINITY: LruHashMap<AffinityKey, AffinityValue> =
    LruHashMap::pinned(limits::AFFINITY, 0);
/// Clients that are to stay, once they have proved to be there.
#[map]
static LB_AFFINITY_EMB: LruHashMap<AffinityKey, AffinityValue> =
    LruHashMap::pinned(limits::AFFINITY_EMBRYONIC, 0);
/// Flows of tasks: counted by the agent now and then, and on from there.
#[map]
static LB_CONNS: HashMap<u64, u64> = HashMap::pinned(limits::BACKENDS, BPF_F_NO_PREALLOC);
/// TCP connections as clients see them, whose clients have proved to be there.
#[map]
static LB_FLOWS: LruHashMap<Tuple, Flow> = LruHashMap::pinned(limits::FLOWS, 0);
/// Flows of any protocol that time alone has settled: apart, so that they take no room from the others.
#[map]
static LB_FLOWS_ANY: LruHashMap<Tuple, Flow> = LruHashMap::pinned(limits::FLOWS_ANY, 0);
/// Flows that are opening, short or closed: apart, so that a flood of them takes no room from the others.
#[map]
static LB_EMBRYONIC: LruHashMap<Tuple, Flow> = LruHashMap::pinned(limits::EMBRYONIC, 0);
/// TCP connections as tasks see them.
#[map]
static LB_REV_NAT: LruHashMap<Tuple, RevNat> = LruHashMap::pinned(limits::FLOWS, 0);
/// Datagrams that go on, as tasks see them.
#[map]
static LB_REV_NAT_ANY: LruHashMap<Tuple, RevNat> = LruHashMap::pinned(limits::FLOWS_ANY, 0);
/// Flows that are opening, short or closed, as tasks see them.
#[map]
static LB_REV_NAT_EMB: LruHashMap<Tuple, RevNat> = LruHashMap::pinned(limits::EMBRYONIC, 0);
/// Answers to datagrams that this node itself sends from published ports, and to connections that it opens from those
/// which are published by hash, with the time at which it last sent, in ticks.
#[map]
static LB_OWN_FLOWS: LruHashMap<Tuple, u32> = LruHashMap::pinned(limits::OWN_FLOWS, 0);
/// First fragments of packets.
#[map]
static LB_FRAGMENTS: LruHashMap<Fragments, FirstFragment> =
    LruHashMap::pinned(limits::FRAGMENTS, 0);
/// Addresses and ports that processes on the node asked for, by those that their sockets are pointed to instead.
#[map]
static LB_SOCK_REV_NAT: LruHashMap<SockRevNatKey, SockRevNatValue> =
    LruHashMap::pinned(limits::SOCK_REV_NAT, 0);
/// Containers of this node that call a published port on it, as others see them.
#[map]
static LB_HAIRPIN_SNAT: LruHashMap<Tuple, SnatEntry> = LruHashMap::pinned(limits::HAIRPIN_SNAT, 0);
/// Where packets go next, as last looked up; not pinned: it is made anew with the programs.
#[map]
static LB_FIB_CACHE: PerCpuArray<NextHop> = PerCpuArray::with_max_entries(NEXT_HOPS, 0);
/// When bridges were last shown stations of theirs, in periods, by place; not pinned: it is made anew with the programs.
#[map]
static LB_STATIONS: Array<u32> = Array::with_max_entries(STATIONS, 0);
/// What one part of a program leaves for the next; not pinned: it lasts for one packet.
#[map]
static LB_DELIVERY: PerCpuArray<Delivery> = PerCpuArray::with_max_entries(1, 0);
/// Packets dropped, by [`Reason`].
#[map]
static LB_DROPS: PerCpuArray<u64> = PerCpuArray::pinned(Reason::ALL.len() as u32, 0);

/// Places for next hops, a power of two. An address has one place, which it may have to share.
const NEXT_HOPS: u32 = 256;

/// Places for stations of bridges, a power of two. A station has one place, which it may have to share.
const STATIONS: u32 = 4_096;
/// Length of a period, in ticks, as a power of two: 34 s. A bridge forgets a station that it does not hear of for 300 s.
const PERIOD: u32 = 5;

/// Is a bridge to be shown the station with this MAC address, behind port `link` of it? Once in a period.
#[inline(always)]
pub(crate) fn is_to_be_shown(link: u32, station: [u8; 6]) -> bool {
    let [_, _, a, b, c, d] = station;
    let place = (u32::from_be_bytes([a, b, c, d]) ^ link) & (STATIONS - 1);
    // What nobody has written is zero.
    let period = (now() >> PERIOD).wrapping_add(1);
    match LB_STATIONS.get(place) {
        Some(shown) if *shown != period => LB_STATIONS.set(place, period, 0).is_ok(),
        _ => false,
    }
}

/// The way to an address, out of the device `link`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct NextHop {
    pub(crate) source: Be32,
    /// 0 where nothing was looked up.
    pub(crate) destination: Be32,
    pub(crate) link: u32,
    /// When, in ticks.
    seen: u32,
    /// Destination and source.
    pub(crate) macs: [[u8; 6]; 2],
}

impl NextHop {
    /// MAC addresses for packets from `source` to `destination`, if they were looked up in this
    /// tick: what changes about it is heard of within the second.
    #[inline(always)]
    pub(crate) fn known(source: Be32, destination: Be32, link: u32) -> Option<[[u8; 6]; 2]> {
        let hop = LB_FIB_CACHE.get(place(destination))?;
        let same = hop.destination == destination && hop.source == source && hop.link == link;
        if same && hop.seen == now() {
            Some(hop.macs)
        } else {
            None
        }
    }

    /// Remembers it.
    #[inline(always)]
    pub(crate) fn keep(source: Be32, destination: Be32, link: u32, macs: [[u8; 6]; 2]) {
        if let Some(hop) = LB_FIB_CACHE.get_ptr_mut(place(destination)) {
            let known = Self {
                source,
                destination,
                link,
                seen: now(),
                macs,
            };
            // SAFETY: this CPU's own place; programs are not preempted by themselves.
            unsafe { *hop = known };
        }
    }
}

#[inline(always)]
fn place(address: Be32) -> u32 {
    let address = address.get();
    (address ^ address >> 8 ^ address >> 16) & (NEXT_HOPS - 1)
}

/// The maps, as the datapath asks for them.
pub(crate) struct Maps;

/// Facts about the node, once the agent has written them.
#[inline(always)]
pub(crate) fn settings() -> Option<&'static Settings> {
    LB_SETTINGS.get(0).filter(|settings| settings.uplink != 0)
}

/// Counts a dropped packet, by the number of a [`Reason`].
#[inline(always)]
pub(crate) fn count_drop(reason: u32) {
    if let Some(count) = LB_DROPS.get_ptr_mut(reason) {
        // SAFETY: this CPU's own slot; programs are not preempted by themselves.
        unsafe { *count += 1 };
    }
}

/// Memory for the packet that this CPU is at.
#[inline(always)]
pub(crate) fn delivery() -> Option<&'static mut Delivery> {
    // SAFETY: this CPU's own; programs are not preempted by themselves, and all bytes of it were written by this
    // type's code, or are zero, which is a value of each field.
    LB_DELIVERY
        .get_ptr_mut(0)
        .map(|delivery| unsafe { &mut *delivery })
}
