//! Sizes of the LRU tables of the eBPF path, and the kernel's memory that all maps take.
//!
//! The kernel allocates an LRU table as a whole when it is made, however few entries it has. So its size follows the memory of the
//! machine, or what the operator asks for. The tables keep the proportion that they have in [`lb_abi::limits`]. All other maps have
//! one size on every node; of those the kernel allocates the buckets at once, and each entry when it comes.

use lb_abi::flow::{FirstFragment, Flow, Fragments, RevNat, SnatEntry, Tuple};
use lb_abi::limits;
use lb_abi::service::{AffinityKey, AffinityValue};
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};

/// Bytes of an element before its key, and of a bucket: `struct htab_elem` and `struct bucket` in the kernel's kernel/bpf/hashtab.c.
const ELEMENT_HEADER: u64 = 48;
const BUCKET: u64 = 16;

/// Entries of the hash maps that are no LRU tables. The kernel allocates a bucket for each entry, rounded up to a power of two.
const OTHER_HASH_MAPS: [u32; 15] = [
    limits::UPLINKS,
    limits::BRIDGE_PORTS,
    limits::VIPS,
    limits::ENDPOINTS,
    // LB_PEERS and LB_PATH_MTU.
    limits::PEERS,
    limits::PEERS,
    // LB_FRONTENDS and LB_RR.
    limits::FRONTENDS,
    limits::FRONTENDS,
    limits::SLOTS,
    limits::TARGETS,
    // LB_BACKENDS, LB_COUNTERS and LB_CONNS.
    limits::BACKENDS,
    limits::BACKENDS,
    limits::BACKENDS,
    limits::TASK_ADDRESSES,
    // LB_RETIRED.
    limits::SERVICES,
];
/// Bytes of all arrays, about. Some have a value for each CPU.
const ARRAYS: u64 = 128 * 1024;

/// All maps together may take this part of the machine's memory, before there are services: 31.6 MB of 2 GiB.
const MEMORY_DIVISOR: u64 = 68;
/// Tables of an earlier agent stay as they are where they are larger or smaller than wanted by this part at most: the memory that a
/// virtual machine has may change while it runs, and flows are worth more than the exact size.
const TOLERANCE_DIVISOR: u32 = 8;

/// An LRU table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LruTable {
    /// Name of the map.
    pub name: &'static str,
    /// Entries that it has in the object file.
    default_entries: u32,
    /// Bytes of an element in the kernel.
    element: u64,
}

impl LruTable {
    /// TCP connections as clients see them: the table by which the operator counts.
    pub const FLOWS: Self = Self::new::<Tuple, Flow>("LB_FLOWS", limits::FLOWS);

    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::FLOWS,
        Self::new::<Tuple, RevNat>("LB_REV_NAT", limits::FLOWS),
        Self::new::<Tuple, Flow>("LB_FLOWS_ANY", limits::FLOWS_ANY),
        Self::new::<Tuple, RevNat>("LB_REV_NAT_ANY", limits::FLOWS_ANY),
        Self::new::<Tuple, Flow>("LB_EMBRYONIC", limits::EMBRYONIC),
        Self::new::<Tuple, RevNat>("LB_REV_NAT_EMB", limits::EMBRYONIC),
        Self::new::<AffinityKey, AffinityValue>("LB_AFFINITY", limits::AFFINITY),
        Self::new::<AffinityKey, AffinityValue>("LB_AFFINITY_EMB", limits::AFFINITY_EMBRYONIC),
        Self::new::<Tuple, u32>("LB_OWN_FLOWS", limits::OWN_FLOWS),
        Self::new::<Fragments, FirstFragment>("LB_FRAGMENTS", limits::FRAGMENTS),
        Self::new::<SockRevNatKey, SockRevNatValue>("LB_SOCK_REV_NAT", limits::SOCK_REV_NAT),
        Self::new::<Tuple, SnatEntry>("LB_HAIRPIN_SNAT", limits::HAIRPIN_SNAT),
    ];

    /// A table with keys `K` and values `V`.
    const fn new<K, V>(name: &'static str, default_entries: u32) -> Self {
        Self {
            name,
            default_entries,
            element: ELEMENT_HEADER + padded(size_of::<K>()) + padded(size_of::<V>()),
        }
    }

    /// Bytes of the kernel's memory that the table takes with room for so many `entries`.
    #[must_use]
    pub fn memory(&self, entries: u32) -> u64 {
        self.element * u64::from(entries) + buckets(entries)
    }
}

/// Size of a key or a value as it lies in an element.
const fn padded(size: usize) -> u64 {
    size.next_multiple_of(8) as u64
}

/// Bytes of the buckets of a hash map with room for so many `entries`.
fn buckets(entries: u32) -> u64 {
    BUCKET * u64::from(entries).next_power_of_two()
}

/// Sizes of all LRU tables, in entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableSizes {
    flows: u32,
}

impl TableSizes {
    /// The fewest TCP connections that there is room for: 24 MB for all maps. Of less, the maps of the Swarm's services take most.
    pub const LEAST_FLOWS: u32 = 16_384;
    /// The most TCP connections that an operator can ask for: 2.3 GB for all maps.
    pub const MOST_FLOWS: u32 = 4_194_304;

    /// Room for so many TCP connections, within [`Self::LEAST_FLOWS`] and [`Self::MOST_FLOWS`], and for everything else in proportion.
    #[must_use]
    pub fn for_flows(flows: u32) -> Self {
        Self {
            flows: flows.clamp(Self::LEAST_FLOWS, Self::MOST_FLOWS),
        }
    }

    /// The largest sizes with which all maps together take a 68th of `memory`, in bytes, at most. They are never larger than the
    /// object file's, and never smaller than the least ones.
    #[must_use]
    pub fn for_memory(memory: u64) -> Self {
        let most = memory / MEMORY_DIVISOR;
        let (mut fits, mut too_many) = (Self::LEAST_FLOWS, limits::FLOWS + 1);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            if Self::for_flows(middle).memory() <= most {
                fits = middle;
            } else {
                too_many = middle;
            }
        }
        Self::for_flows(fits)
    }

    /// TCP connections that there is room for.
    #[must_use]
    pub const fn flows(self) -> u32 {
        self.flows
    }

    /// Entries of a table.
    #[must_use]
    pub fn entries(self, table: &LruTable) -> u32 {
        self.in_proportion(table.default_entries)
    }

    /// Entries of a table that has `default_entries` in the object file.
    #[must_use]
    pub fn in_proportion(self, default_entries: u32) -> u32 {
        let entries = u64::from(default_entries) * u64::from(self.flows) / u64::from(limits::FLOWS);
        u32::try_from(entries).unwrap_or(u32::MAX)
    }

    /// Bytes of the kernel's memory that all maps take before there are services.
    #[must_use]
    pub fn memory(self) -> u64 {
        let lru: u64 = LruTable::ALL
            .iter()
            .map(|table| table.memory(self.entries(table)))
            .sum();
        let others: u64 = OTHER_HASH_MAPS
            .iter()
            .map(|entries| buckets(*entries))
            .sum();
        lru + others + ARRAYS
    }
}

impl Default for TableSizes {
    /// The sizes of the object file.
    fn default() -> Self {
        Self::for_flows(limits::FLOWS)
    }
}

/// What the sizes of the LRU tables follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizedBy {
    /// The operator, who asks for room for so many TCP connections.
    Flows(u32),
    /// The memory of the machine, in bytes.
    Memory(u64),
}

impl SizedBy {
    /// The sizes. `found` are the entries of LB_FLOWS that an earlier agent left, if there is one. If it has about the size that
    /// follows from the memory, all tables get the sizes that go with it.
    #[must_use]
    pub fn sizes(self, found: Option<u32>) -> TableSizes {
        let memory = match self {
            Self::Flows(flows) => return TableSizes::for_flows(flows),
            Self::Memory(memory) => memory,
        };
        let wanted = TableSizes::for_memory(memory);
        let usual = TableSizes::LEAST_FLOWS..=limits::FLOWS;
        let near = |found: &u32| {
            usual.contains(found)
                && found.abs_diff(wanted.flows) <= wanted.flows / TOLERANCE_DIVISOR
        };
        found.filter(near).map_or(wanted, TableSizes::for_flows)
    }
}

impl Default for SizedBy {
    /// The sizes of the object file.
    fn default() -> Self {
        Self::Flows(limits::FLOWS)
    }
}

#[cfg(test)]
mod tests;
