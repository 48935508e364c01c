//! Packets of containers, each at its own port of a bridge: before the kernel's filter for bridged packets,
//! `br_netfilter`, shows them to the host's rules. Docker's rules give calls for published ports to Swarm's own mesh, and
//! rules of an operator may drop what connection tracking has seen no beginning of, as are all replies of tasks.
//!
//! Frames that are left to the kernel here come to the bridge's own program next, which decides again, and alike. It is
//! there for ports without a program, as that of a container which starts just now.

use crate::bridge::bridge;
use crate::headers::{self, Ethernet, Ipv4};
use crate::packet::{ETHERNET, Packet, Tables};
use crate::parse;
use crate::verdict::Verdict;
use core::mem::offset_of;
use lb_abi::counters::Reason;
use lb_abi::{Be16, Be32};

/// `EtherType` of ARP.
const ARP: Be16 = Be16::new(0x0806);
/// Where ARP for IPv4 on Ethernet (RFC 826) has the sender's protocol address: behind eight bytes of header and a
/// MAC address.
const ARP_SENDER: usize = ETHERNET + 14;

/// Decides about a frame that a container sent, at its port of a bridge: as [`bridge`] does once the frame has come that far.
#[inline(always)]
pub fn port<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    match admit(packet, tables) {
        Verdict::Bridge => bridge(packet, tables),
        other => other,
    }
}

/// The first part of [`port`], for programs that have no stack for both at once: [`Verdict::Bridge`] where the frame has
/// [entered](Packet::enter) the bridge, so that [`bridge`] decides about it now.
///
/// A container with `CAP_NET_RAW`, as Docker gives it, writes frames with whatever sender it likes. Under the address
/// of a task that is another container it sends nothing: neither answers in that task's name, nor ARP
/// that leads the task's packets to it. What is not known, as without an agent, is not refused.
///
/// What a container says to another one on its bridge is passed: a bridge does not see it either.
#[inline(always)]
pub fn admit<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Verdict {
    if let Some(sender) = sender(packet)
        && let Some(port) = tables.endpoint(sender)
        && port != packet.link()
        && tables.leased()
    {
        return Verdict::Drop(Reason::Spoofed);
    }
    if parse::ipv4(packet) && parse::enters(packet, tables) {
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
