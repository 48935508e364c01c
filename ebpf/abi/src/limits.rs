//! Sizes of the maps, in entries.

/// Published ports of the whole Swarm, TCP and UDP.
pub const FRONTENDS: u32 = 16_384;
/// Places in all tables together: tasks times published ports, twice while a table is replaced.
pub const SLOTS: u32 = 262_144;
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
/// Nodes.
pub const PEERS: u32 = 4_096;
/// IPv4 addresses of one node that stand for tasks, those of some tasks that are gone among them.
pub const TASK_ADDRESSES: u32 = 131_072;
/// Far ends that sockets of the node itself are pointed at.
pub const SOCK_REV_NAT: u32 = 65_536;
/// Flows that one node remembers, each way.
pub const FLOWS: u32 = 262_144;
/// New flows that one node remembers, each way, until their clients have proved to be there.
pub const EMBRYONIC: u32 = 131_072;
/// Networks allowed by all services together.
pub const ALLOWED: u32 = 65_536;
/// Clients that one node keeps with their tasks.
pub const AFFINITY: u32 = 131_072;
/// Clients that are to be kept with their tasks once they have proved to be there.
pub const AFFINITY_EMBRYONIC: u32 = 16_384;
/// Fragmented packets whose fragments are awaited.
pub const FRAGMENTS: u32 = 16_384;
/// Connections of containers to their own node that are remembered.
pub const HAIRPIN_SNAT: u32 = 65_536;
