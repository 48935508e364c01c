//! From bytes to a tuple, or to "not ours".

use crate::fragments;
use crate::headers::{Ethernet, Fragment, IPV4, Ipv4, TcpNumbers};
use crate::l4_packet::L4Packet;
use crate::packet::{ETHERNET, Packet, Tables};
use lb_abi::flow::Tuple;
use lb_abi::settings::Settings;
use lb_abi::{TCP, UDP};

/// Is the frame IPv4, and of no VLAN?
#[inline(always)]
pub fn ipv4<P: Packet>(packet: &P) -> bool {
    if packet.tagged() {
        return false;
    }
    match packet.load::<Ethernet>(0) {
        Some(ethernet) => ethernet.kind == IPV4,
        None => false,
    }
}

/// Is the frame addressed to the MAC address of the uplink that it came in on? Asked last,
/// about frames that would be ours: for all the others it would be a look-up for nothing.
///
/// Where the uplink is a bridge, a frame for it [enters](Packet::enter) it at any of its ports.
#[inline(always)]
pub fn ours<P: Packet, T: Tables>(packet: &mut P, tables: &T, settings: &Settings) -> bool {
    let Some(ethernet) = packet.load::<Ethernet>(0) else {
        return false;
    };
    let link = packet.link();
    if link == settings.uplink {
        return ethernet.destination == settings.mac;
    }
    match tables.uplink(link) {
        Some(uplink) => ethernet.destination == uplink.mac,
        // XDP is on no port of a bridge.
        None => P::DELIVERS && enters(packet, tables),
    }
}

/// Is the frame, which came in on a port of a bridge, addressed to that bridge? Then it has entered it.
///
/// A function of its own: for the verifier nothing but the answer is left of what it went through.
#[inline(never)]
pub fn enters<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> bool {
    let Some(port) = tables.bridge_port(packet.link()) else {
        return false;
    };
    let Some(ethernet) = packet.load::<Ethernet>(0) else {
        return false;
    };
    if ethernet.destination != port.mac {
        return false;
    }
    packet.enter(port.bridge);
    true
}

/// The TCP or UDP packet whose IPv4 header is at `l3`.
///
/// None for what is left to the kernel: other protocols, fragments of what is not ours, and
/// whatever contradicts itself.
#[inline(always)]
pub fn segment<P: Packet, T: Tables>(packet: &P, tables: &T, l3: usize) -> Option<L4Packet> {
    let ip: Ipv4 = packet.load(l3)?;
    let header = usize::from(ip.version_length & 0x0f) << 2;
    if ip.version_length >> 4 != 4 || header < size_of::<Ipv4>() {
        return None;
    }
    let total = ip.total.get();
    if l3 + usize::from(total) > packet.length() {
        return None;
    }
    let l4 = l3 + header;
    let fragment = Fragment::of(&ip);
    let ports = match fragment {
        Fragment::Rest => fragments::ports(tables, &ip)?,
        Fragment::None => packet.load(l4)?,
        Fragment::First => {
            let ports = packet.load(l4)?;
            fragments::first(tables, &ip, ports);
            ports
        }
    };
    let (transport, flags, numbers) = match ip.proto {
        _ if fragment == Fragment::Rest => (0, 0, (0, 0)),
        TCP => {
            let tcp: TcpNumbers = packet.load(l4 + 4)?;
            let length = usize::from(tcp.offset >> 4) << 2;
            if length < 20 {
                return None;
            }
            let numbers = (tcp.sequence.get(), tcp.acknowledgement.get());
            (length, tcp.flags, numbers)
        }
        UDP => (8, 0, (0, 0)),
        _ => return None,
    };
    if usize::from(total) < header + transport {
        return None;
    }
    Some(L4Packet {
        tuple: Tuple {
            source: ip.source,
            destination: ip.destination,
            source_port: ports.source,
            destination_port: ports.destination,
            proto: ip.proto,
            zero: [0; 3],
        },
        l3,
        l4,
        headers: header + transport,
        total,
        tos: ip.tos,
        flags,
        fragment,
        id: ip.id,
        sequence: numbers.0,
        acknowledgement: numbers.1,
    })
}

/// The packet directly behind the Ethernet header.
#[inline(always)]
pub fn outer<P: Packet, T: Tables>(packet: &P, tables: &T) -> Option<L4Packet> {
    segment(packet, tables, ETHERNET)
}
