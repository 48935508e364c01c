//! The marks by which the datapath's devices, routes and rules are found again. One place for all.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Stands in the `rtm_protocol` of our routes and the `FRA_PROTOCOL` of our rules: who made them. No routing
/// daemon of `/etc/iproute2/rt_protos` has this number.
pub const PROTOCOL: u8 = 108;
/// Stands in the `IFLA_IFALIAS` of our devices.
pub const IFALIAS: &str = "swarmlb";

/// The tunnel to the other hosts: VXLAN-GPE, whose tag (VNI) and far end come from routes.
pub const TUNNEL: &str = "swlb0";
/// Where calls from the host itself go out…
pub const HAIRPIN_OUT: &str = "swlb-out";
/// …and come in, as if from outside: the other end of the pair.
pub const HAIRPIN_IN: &str = "swlb-in";

/// The address to which calls from the host itself are sent, behind `swlb-out`.
pub const HAIRPIN_TO: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 1);
/// The address from which they seem to come, behind `swlb-in`.
pub const HAIRPIN_FROM: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 2);
/// The MAC address of both ends of the pair: what one sends is for the other, without ARP.
/// Locally administered, unicast.
pub const HAIRPIN_MAC: [u8; 6] = [0x02, 0x6c, 0x62, 0x00, 0x00, 0x01];

/// Addresses that stand for tasks of other hosts. They name routes into the tunnel; no packet is sent to them.
pub const TASK_ROUTE_ADDRESSES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(248, 0, 0, 0), 6);
/// Addresses that stand for other hosts, in routes into the tunnel for replies to them.
pub const PEER_ROUTE_ADDRESSES: Ipv4Net =
    Ipv4Net::new_assert(Ipv4Addr::new(PEERS_BEGIN, 0, 0, 0), 8);
/// The first byte of all of those.
pub const PEERS_BEGIN: u8 = 241;

/// Preference of the rule that sends what comes out of the tunnel to [`LOCAL_TABLE`].
pub const LOCAL_PREFERENCE: u32 = 5000;
/// The table in which every destination is this host.
pub const LOCAL_TABLE: u32 = 5000;
/// What the marks of all packets out of the tunnel have in the bits of [`MARK_MASK`], those that say for
/// which task included.
pub const MARKS: u32 = 0x5000_0000;
/// The bits that tell them from the marks of others.
pub const MARK_MASK: u32 = 0xfc00_0000;
/// Preference of the rule by which [`SOURCE_TABLE`] is asked about them: behind [`LOCAL_PREFERENCE`].
pub const SOURCE_PREFERENCE: u32 = 5001;
/// The table in which everyone is reached by the tunnel.
pub const SOURCE_TABLE: u32 = 5001;
/// The index of `lo`, the first device of every network namespace.
pub const LO: u32 = 1;

/// What the tunnel adds to a packet, in bytes: IPv4, UDP and VXLAN-GPE headers.
pub const TUNNEL_BYTES: u32 = 20 + 8 + 8;
/// The first number that is no tag: a VNI has 24 bits.
pub const TAGS: u32 = 1 << 24;
/// How many metrics the routes into the tunnel have, from 1. With one for all, 10,000 routes take the kernel
/// 7 seconds; with these, a fiftieth of that.
pub const METRICS: u32 = 4096;
