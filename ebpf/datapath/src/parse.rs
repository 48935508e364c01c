//! From bytes to a tuple, or to "not ours".

use crate::fragments;
use crate::headers::{Ethernet, Fragment, IPV4, Ipv4};
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
#[inline(always)]
pub fn ours<P: Packet, T: Tables>(packet: &P, tables: &T, settings: &Settings) -> bool {
    let Some(ethernet) = packet.load::<Ethernet>(0) else {
        return false;
    };
    let link = packet.link();
    if link == settings.uplink {
        return ethernet.destination == settings.mac;
    }
    tables
        .uplink(link)
        .is_some_and(|uplink| ethernet.destination == uplink.mac)
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
    let (transport, flags) = match ip.proto {
        _ if fragment == Fragment::Rest => (0, 0),
        TCP => {
            let [offset, flags] = packet.load::<[u8; 2]>(l4 + 12)?;
            let length = usize::from(offset >> 4) << 2;
            if length < 20 {
                return None;
            }
            (length, flags)
        }
        UDP => (8, 0),
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
    })
}

/// The packet directly behind the Ethernet header.
#[inline(always)]
pub fn outer<P: Packet, T: Tables>(packet: &P, tables: &T) -> Option<L4Packet> {
    segment(packet, tables, ETHERNET)
}
