//! Sizes of the maps, in entries.
//!
//! The kernel allocates an LRU table as a whole when it is made. So the agent gives those tables sizes that follow the machine's
//! memory, or what its operator asks for, all in the proportion that they have here (`agent/core/src/table_sizes.rs`). Their sizes
//! here are those of the object file, which tests load as it is, and the largest ones that the agent uses by default. All other sizes
//! are the same on every node.

/// Published ports of the whole Swarm, TCP and UDP.
pub const FRONTENDS: u32 = 16_384;
/// Places in all tables together: a table for each service, two while it is replaced.
pub const SLOTS: u32 = 262_144;
/// Pairs of a published port and a task that has another port for it than most.
pub const TARGETS: u32 = 65_536;
/// Tasks behind published ports.
pub const BACKENDS: u32 = 131_072;
/// Services with published ports.
pub const SERVICES: u32 = 16_384;
/// IPv4 addresses of one node.
pub const VIPS: u32 = 1_024;
/// Tasks of one node whose ports of a bridge are known.
pub const ENDPOINTS: u32 = 16_384;
/// Devices of one node that clients come in on.
pub const UPLINKS: u32 = 256;
/// Ports of all bridges of one node.
pub const BRIDGE_PORTS: u32 = 16_384;
/// Nodes.
pub const PEERS: u32 = 4_096;
/// IPv4 addresses of one node that stand for tasks, those of some tasks that are gone among them.
pub const TASK_ADDRESSES: u32 = 131_072;
/// Far ends that sockets of the node itself are pointed at.
pub const SOCK_REV_NAT: u32 = 44_032;
/// TCP connections that one node remembers, each way, whose clients have proved to be there.
pub const FLOWS: u32 = 176_128;
/// Flows that one node remembers, each way, which time alone has settled: mostly of datagrams.
pub const FLOWS_ANY: u32 = 44_032;
/// Flows that one node remembers, each way, which are opening, short or closed.
pub const EMBRYONIC: u32 = 88_064;
/// Far ends of the datagrams that one node itself sends from published ports.
pub const OWN_FLOWS: u32 = 44_032;
/// Networks allowed by all services together.
pub const ALLOWED: u32 = 65_536;
/// Networks that the tasks of one node reach without `docker_gwbridge`, of all tasks together.
pub const ON_LINK: u32 = 65_536;
/// Clients that one node keeps with their tasks.
pub const AFFINITY: u32 = 88_064;
/// Clients that are to be kept with their tasks once they have proved to be there.
pub const AFFINITY_EMBRYONIC: u32 = 11_008;
/// Fragmented packets whose fragments are awaited.
pub const FRAGMENTS: u32 = 11_008;
/// Connections of containers to their own node that are remembered.
pub const HAIRPIN_SNAT: u32 = 44_032;
