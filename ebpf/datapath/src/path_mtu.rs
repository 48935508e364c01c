//! MTUs of the paths to other nodes, from ICMP errors about tunnel packets of this node.
//!
//! A router that has no room for a tunnel packet on its next link drops it, as it must not be fragmented, and says so to this
//! node (RFC 1191: fragmentation needed). The kernel learns nothing of that, as no socket has sent the packet. So it is
//! remembered here, and the agent lowers [`Settings::mtu`] by it.
//!
//! Anybody may send such an error, from whatever address. So it has to quote what this node sends: a datagram that does not
//! fit, to the tunnel of a node of the Swarm, as [`crate::tunnel::enter`] makes it. And nobody is believed below [`LEAST`]
//! (RFC 1191, section 8: forged errors), so that flows get slower then, and go on. Below 608 bytes they would not: Linux takes
//! no path for narrower than 552 bytes (`net.ipv4.route.min_pmtu`), and a packet of as many does not fit the tunnel then.
//! The other node, which has seen the packet, is believed no more than a stranger: it may have fallen. A path that is
//! narrower is named to the node by a route with that `mtu`. Nobody is believed for longer than [`PathMtu::LASTS`].

use crate::headers::Ipv4;
use crate::icmp::{self, IcmpError};
use crate::packet::{ETHERNET, Packet, Tables};
use lb_abi::path_mtu::PathMtu;
use lb_abi::settings::Settings;
use lb_abi::{Be16, Be32, UDP};

/// The least MTU that is believed, in bytes: what IPv6 asks of every link (RFC 8200, section 5), and what nearly all paths of
/// IPv4 have as well.
pub const LEAST: u32 = 1_280;

/// Type and code of an ICMP error: destination unreachable, fragmentation needed (RFC 792, RFC 1191).
const FRAGMENTATION_NEEDED: u16 = 0x0304;

/// Is the error about a packet that this node has sent through the tunnel, as far as the ends of that packet say?
///
/// By one comparison of all of them: each would double what the kernel's verifier walks through after it.
#[inline(always)]
pub(crate) fn is_about_tunnel<T: Tables>(
    tables: &T,
    settings: &Settings,
    error: &IcmpError,
) -> bool {
    let about = &error.about;
    let differs = (about.source.get() ^ settings.node.get())
        | (error.destination.get() ^ settings.node.get())
        | u32::from(about.destination_port.get() ^ settings.tunnel_port.get())
        | u32::from(about.proto ^ UDP);
    differs == 0 && tables.peer(about.destination).is_some()
}

/// Remembers the MTU that a packet names of which a hook said [`crate::Verdict::TunnelError`], if it is to be believed.
///
/// Not part of the decision, but what comes after it: the kernel's programs have 512 bytes of stack, and deciding takes most of
/// that.
#[inline(always)]
pub fn learn<P: Packet, T: Tables>(packet: &P, tables: &T) {
    let Some((peer, mtu)) = read(packet) else {
        return;
    };
    let path = PathMtu {
        mtu,
        since: tables.now(),
    };
    if let Some(known) = tables.path_mtu(peer) {
        // One router has a smaller link than the other. And of a flood of errors one in a tick is written.
        let smaller = known.mtu < mtu && known.is_valid(path.since);
        if smaller || known == path {
            return;
        }
    }
    tables.remember_path_mtu(peer, &path);
}

/// The node that a tunnel packet was for, and the MTU of the path to it, in bytes, if the packet is an error that says so and
/// is believed.
#[inline(always)]
fn read<P: Packet>(packet: &P) -> Option<(Be32, u32)> {
    let error = icmp::read(packet, ETHERNET)?;
    let [kind, _, _, mtu]: [Be16; 4] = packet.load(error.l4)?;
    let ip: Ipv4 = packet.load(error.inner)?;
    if kind.get() != FRAGMENTATION_NEEDED || ip.version_length != 0x45 {
        return None;
    }
    let udp: [Be16; 4] = packet.load(error.inner + size_of::<Ipv4>())?;
    let [source_port, _, length, checksum] = udp.map(Be16::get);
    let (mtu, total) = (mtu.get(), ip.total.get());
    // As this node makes them, and larger than what comes through by that.
    let made_here = ip.fragment.get() & 0x4000 != 0
        && source_port >= 0xc000
        && checksum == 0
        && length == total.wrapping_sub(20);
    if !made_here || total <= mtu {
        return None;
    }
    Some((ip.destination, u32::from(mtu).max(LEAST)))
}
