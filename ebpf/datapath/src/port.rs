//! Packets of containers, each at its own port of a bridge: before the kernel's filter for bridged
//! packets, `br_netfilter`, shows it to Docker's rules, which give calls for published ports to
//! Swarm's own mesh.

use crate::headers::{self, Ethernet, Ipv4};
use crate::packet::{ETHERNET, Packet, Tables};
use crate::parse;
use crate::verdict::Verdict;
use core::mem::offset_of;
use lb_abi::counters::Reason;
use lb_abi::service::Port;
use lb_abi::{Be16, Be32};

/// `EtherType` of ARP.
const ARP: Be16 = Be16::new(0x0806);
/// Where ARP for IPv4 on Ethernet (RFC 826) has the sender's protocol address: behind eight bytes of header and a
/// MAC address.
const ARP_SENDER: usize = ETHERNET + 14;

/// Decides about a frame that a container sent: [`Verdict::Bridge`] where it calls a published port of its own node.
///
/// A container with `CAP_NET_RAW`, as Docker gives it, writes frames with whatever sender it likes. Under the address
/// of a task that is another container it sends nothing: neither answers in that task's name, nor ARP
/// that leads the task's packets to it. What is not known, as without an agent, is not refused.
#[inline(always)]
pub fn port<P: Packet, T: Tables>(packet: &P, tables: &T) -> Verdict {
    if let Some(sender) = sender(packet)
        && let Some(port) = tables.endpoint(sender)
        && port != packet.link()
        && tables.leased()
    {
        return Verdict::Drop(Reason::Spoofed);
    }
    if calls_node(packet, tables) {
        Verdict::Bridge
    } else {
        Verdict::Pass
    }
}

/// Under which address a frame is sent, of IPv4 or of ARP for it.
#[inline(always)]
fn sender<P: Packet>(packet: &P) -> Option<Be32> {
    let kind: Be16 = packet.load(offset_of!(Ethernet, kind))?;
    if kind == headers::IPV4 {
        packet.load(ETHERNET + offset_of!(Ipv4, source))
    } else if kind == ARP {
        packet.load(ARP_SENDER)
    } else {
        None
    }
}

/// Is a frame that a container sent a call for a published port of its own node? Then it belongs to
/// the bridge as it is, where [`crate::hairpin`] deals with it, also if it happens to be a reply.
#[inline(always)]
fn calls_node<P: Packet, T: Tables>(packet: &P, tables: &T) -> bool {
    if !parse::ipv4(packet) {
        return false;
    }
    let Some(segment) = parse::outer(packet, tables) else {
        return false;
    };
    let to = segment.tuple;
    let port = Port::new(to.destination_port, to.proto);
    tables.is_vip(to.destination) && tables.frontend(&port).is_some()
}
