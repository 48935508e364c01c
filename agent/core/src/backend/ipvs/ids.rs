//! Numbers, addresses and names by which the IPVS path's objects in the kernel are told from those of others, and from
//! each other. All of them are here.
//!
//! Route addresses and those of the hairpin are out of 240.0.0.0/4, which nobody routes (RFC 1112, section 4:
//! reserved), and never leave a node.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// The `rtm_protocol` of routes and the `FRA_PROTOCOL` of rules: who made them. No routing daemon of
/// `/etc/iproute2/rt_protos` has this number.
pub const PROTOCOL: u8 = 108;
/// The `IFLA_IFALIAS` of devices.
pub const IFALIAS: &str = "swarmlb";
/// Name of the tables of nf_tables.
pub const TABLE_NAME: &str = "swarmlb";

/// The tunnel to the other nodes: VXLAN-GPE, whose tunnel id (VNI) and far end come from routes.
pub const TUNNEL: &str = "swlb0";
/// Bytes of encapsulation: IPv4, UDP and VXLAN-GPE headers.
pub const TUNNEL_BYTES: u32 = 20 + 8 + 8;
/// The first number that is no tunnel id: a VNI has 24 bits.
pub const TUNNEL_IDS: u32 = 1 << 24;
/// The tunnel id of replies. Tags of tasks are below.
pub const RETURN_ID: u32 = 0x80_0001;
/// The bit of a tunnel id that says: for the port that the task itself listens on, and not for a published one. The other bits
/// are the task's tag.
pub const OWN_PORT_ID: u32 = 0x80_0000;

/// The end of the hairpin by which calls of the node itself go out.
pub const HAIRPIN_OUT: &str = "swlb-out";
/// The end of the hairpin by which they come in, as if from outside.
pub const HAIRPIN_IN: &str = "swlb-in";
/// The address to which calls of the node itself are sent, behind [`HAIRPIN_OUT`].
pub const HAIRPIN_TO: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 1);
/// The addresses from which they seem to come, behind [`HAIRPIN_IN`]. A container has one of them for all its calls, and with it
/// ports of its own: of those, calls of others take none.
pub const HAIRPIN_FROM: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(240, 1, 0, 0), 16);
/// The MAC address of both ends of the hairpin: what one sends is for the other, without ARP. Locally administered,
/// unicast.
pub const HAIRPIN_MAC: [u8; 6] = [0x02, 0x6c, 0x62, 0x00, 0x00, 0x01];

/// Route addresses of tasks on other nodes.
pub const TASK_ROUTE_ADDRESSES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(248, 0, 0, 0), 6);
/// Route addresses of other nodes, for replies to them.
pub const PEER_ROUTE_ADDRESSES: Ipv4Net =
    Ipv4Net::new_assert(Ipv4Addr::new(PEERS_BEGIN, 0, 0, 0), 8);
/// The first byte of all route addresses of nodes.
pub const PEERS_BEGIN: u8 = 241;
/// Route addresses by which processes of the node call tasks on other nodes: 24 bits of the task's key, and 2 that keep apart
/// tasks of which those are the same.
pub const OWN_ROUTE_ADDRESSES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(244, 0, 0, 0), 6);
/// The bits of such an address that follow from the task's key, which its node knows as well.
pub const OWN_ROUTE_MASK: u32 = 0xffff_fffc;
/// Number of metrics of the routes into the tunnel, from 1. With one for all, 10,000 routes take the kernel 7 seconds;
/// with these, a fiftieth of that.
pub const METRICS: u32 = 4096;

/// Preference of the rule that sends what comes out of the tunnel to [`LOCAL_TABLE`].
pub const LOCAL_PREFERENCE: u32 = 5000;
/// The routing table in which every destination is this host.
pub const LOCAL_TABLE: u32 = 5000;
/// Preference of the rule by which marked packets are routed by [`SOURCE_TABLE`]: behind [`LOCAL_PREFERENCE`].
pub const SOURCE_PREFERENCE: u32 = 5001;
/// The routing table in which everyone is reached by the tunnel.
pub const SOURCE_TABLE: u32 = 5001;

/// The bits of a mark that tell packets out of the tunnel from those of others.
pub const TUNNEL_MASK: u32 = 0xfc00_0000;
/// Marks of packets out of the tunnel, in the bits of [`TUNNEL_MASK`].
pub const TUNNEL_MARKS: u32 = 0x5000_0000;
/// The mark of what came out of the tunnel and names no task that is here, or has no ports to tell by: fragments and
/// ICMP errors.
pub const UNKNOWN_MARK: u32 = TUNNEL_MARKS;
/// The upper eight bits of the marks of what came out of the tunnel for tasks on this node.
pub const TASK_MARKS: u32 = TUNNEL_MARKS | 0x0100_0000;
/// The mark of replies that came out of the tunnel.
pub const RETURN_MARK: u32 = TUNNEL_MARKS | 0x0200_0000;
/// The mark of what a task answers, from the bridge until it is sent back: none of the tunnel's.
pub const ANSWER_MARK: u32 = 0x5400_0001;

/// The mark of what processes of this node send to tasks elsewhere at their own ports, until it is in the tunnel: what a process
/// sends there by itself has none, as marks are the administrator's (`CAP_NET_ADMIN`).
pub const CALL_MARK: u32 = 0x5400_0002;

#[cfg(test)]
mod tests {
    use super::*;

    /// IPv4 without options (RFC 791), UDP (RFC 768) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).
    #[test]
    fn a_tunnel_packet_has_36_bytes_around_what_it_brings() {
        assert_eq!(TUNNEL_BYTES, 36);
    }

    #[test]
    fn marks_of_the_tunnel_are_known_by_its_mask_and_others_are_not() {
        for mark in [
            UNKNOWN_MARK,
            TASK_MARKS,
            TASK_MARKS | 0xff_ffff,
            RETURN_MARK,
        ] {
            assert_eq!(mark & TUNNEL_MASK, TUNNEL_MARKS, "{mark:#x}");
        }
        for mark in [ANSWER_MARK, CALL_MARK] {
            assert_ne!(mark & TUNNEL_MASK, TUNNEL_MARKS, "{mark:#x}");
        }
    }
}
