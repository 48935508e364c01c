//! Node to node: the client's packet, unchanged, behind the header of [`crate::geneve`].

pub use crate::geneve::{Direction, INNER, OVERHEAD, Opened};

use crate::checksum;
use crate::geneve::{
    CLASS, Geneve, Header, IPV4_BYTES, LENGTH, OVERHEAD_BYTES, TaskKey, VERSION_OPTIONS,
};
use crate::headers::{Fragment, IPV4, Ipv4};
use crate::l4_packet::L4Packet;
use crate::packet::{ETHERNET, Packet, Tables};
use crate::token::{Ends, token};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::Tuple;
use lb_abi::settings::Settings;
use lb_abi::tunnel::TokenKeys;
use lb_abi::{Be16, Be32, UDP};

/// Could this be a tunnel packet for us? Cheap, on what is parsed already.
#[inline(always)]
#[must_use]
pub fn addressed(segment: &L4Packet, settings: &Settings) -> bool {
    segment.tuple.proto == UDP
        && matches!(segment.fragment, Fragment::None)
        && segment.tuple.destination_port == settings.tunnel_port
        && segment.tuple.destination == settings.node
}

/// Kind of a frame that came for the tunnel's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A packet of this tunnel.
    Opened(Opened),
    /// Someone else's Geneve, or none.
    Foreign,
    /// Not to be believed, or not to be understood.
    Bad(Reason),
}

/// Reads the tunnel header, and believes it if its token is one by a key of the sender's.
#[inline(always)]
pub fn open<P: Packet>(packet: &P, keys: &TokenKeys) -> Read {
    let Some(header) = packet.load::<Header>(ETHERNET) else {
        return Read::Foreign;
    };
    let geneve = header.geneve;
    if header.ip.version_length != 0x45
        || geneve.version_options != VERSION_OPTIONS
        || geneve.control & 0x80 != 0
        || geneve.protocol != IPV4
        || geneve.class != CLASS
        || geneve.length != LENGTH
    {
        return Read::Foreign;
    }
    let Some(opened) = header.says() else {
        return Read::Foreign;
    };
    let Some(inner) = packet.load::<Ipv4>(INNER) else {
        return Read::Bad(Reason::BadTunnel);
    };
    let key = keys.of(header.epoch());
    if !key.there() || token(key, &opened, &Ends::of(&inner)) != geneve.token {
        return Read::Bad(Reason::BadToken);
    }
    Read::Opened(opened)
}

/// Gives a frame that is in the tunnel the token that belongs to what it says now.
#[cfg(feature = "model")]
pub fn seal<P: Packet>(packet: &mut P, keys: &TokenKeys) {
    let (Some(mut header), Some(inner)) =
        (packet.load::<Header>(ETHERNET), packet.load::<Ipv4>(INNER))
    else {
        return;
    };
    let Some(says) = header.says() else {
        return;
    };
    header.geneve.token = token(keys.of(header.epoch()), &says, &Ends::of(&inner));
    packet.store(ETHERNET, &header);
}

/// Would the packet still fit the way to any other node, inside the tunnel? Merged packets count by segment.
#[inline(always)]
pub fn fits<P: Packet>(packet: &P, segment: &L4Packet, settings: &Settings) -> bool {
    let each = match packet.segment_size() {
        0 => usize::from(segment.total),
        payload => payload as usize + segment.headers,
    };
    each + OVERHEAD <= settings.mtu as usize
}

/// Puts the packet into the tunnel to `node`. False if the frame could not grow.
///
/// `segment` is the packet as it stands there now, after what the caller has rewritten in it: the
/// token is over its addresses.
/// The outer checksum is zero, as RFC 8200's and RFC 6935's reasoning allows for
/// tunnels: the packet inside has its own. The outer source port spreads flows
/// over queues and paths.
#[inline(always)]
pub fn enter<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    segment: &L4Packet,
    settings: &Settings,
    node: Be32,
    direction: Direction,
    task: u64,
) -> bool {
    let keep_segments = fits(packet, segment, settings);
    let Some(keys) = tables.token_keys() else {
        return false;
    };
    let says = Opened {
        sender: settings.node,
        direction,
        task,
    };
    let tuple = &segment.tuple;
    let ends = Ends {
        source: tuple.source,
        destination: tuple.destination,
        proto: tuple.proto,
    };
    let token = token(keys.of(settings.epoch), &says, &ends);
    let total = segment.total.wrapping_add(OVERHEAD_BYTES);
    let mut ip = Ipv4 {
        version_length: 0x45,
        tos: segment.tos,
        total: Be16::new(total),
        id: Be16::new(0),
        fragment: Be16::new(0x4000), // don't fragment: too big must be heard of
        ttl: 64,
        proto: UDP,
        checksum: Be16::new(0),
        source: settings.node,
        destination: node,
    };
    ip.checksum = Be16::new(checksum::header(&ip));
    let header = Header {
        ip,
        source_port: Be16::new(0xc000 | (spread(&segment.tuple) & 0x3fff)),
        destination_port: settings.tunnel_port,
        udp_length: Be16::new(total.wrapping_sub(IPV4_BYTES)),
        udp_checksum: Be16::new(0),
        geneve: Geneve {
            version_options: VERSION_OPTIONS,
            control: 0,
            protocol: IPV4,
            network: Be32::new(settings.epoch << 8),
            class: CLASS,
            kind: direction as u8,
            length: LENGTH,
            key: TaskKey::new(task),
            token,
        },
    };
    packet.grow(keep_segments) && packet.store(ETHERNET, &header)
}

/// Sends the packet through the tunnel to `node`, out of the uplink.
#[inline(always)]
pub fn send<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    segment: &L4Packet,
    settings: &Settings,
    node: Be32,
    direction: Direction,
    task: u64,
) -> Verdict {
    if enter(packet, tables, segment, settings, node, direction, task) {
        Verdict::Uplink
    } else {
        Verdict::Drop(Reason::NoRoom)
    }
}

/// A few bits that differ between flows.
#[inline(always)]
fn spread(tuple: &Tuple) -> u16 {
    let ports = u32::from(tuple.source_port.get()) << 16 | u32::from(tuple.destination_port.get());
    let mixed = (tuple.source.get() ^ tuple.destination.get().rotate_left(16) ^ ports)
        .wrapping_mul(0x9e37_79b1);
    // The upper half is the well-mixed one.
    (mixed >> 16) as u16
}
