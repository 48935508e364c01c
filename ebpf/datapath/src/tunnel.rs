//! Node to node: the client's packet, unchanged, in Geneve over UDP (RFC 8926).
//!
//! ```text
//! IPv4 20 | UDP 8 | Geneve 8 | option: class, type, length 4 | key of the task 8 | the packet
//! ```

use crate::checksum;
use crate::packet::{ETHERNET, Packet};
use crate::parse::{IPV4, Ipv4, Piece, Segment};
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::Tuple;
use lb_abi::settings::Settings;
use lb_abi::{Be16, Be32, UDP};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Bytes that the tunnel adds to a packet.
pub const OVERHEAD: usize = 48;

/// The same, in the type of IPv4's length field.
pub(crate) const OVERHEAD_BYTES: u16 = 48;

/// Bytes of the outer IPv4 header.
const IPV4_BYTES: u16 = 20;

/// Offset of the packet inside a tunnelled frame.
pub const INNER: usize = ETHERNET + OVERHEAD;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// From the ingress node to the task's node.
    ToTask = 1,
    /// Back to the ingress node.
    ToClient = 2,
    /// To the task's node, for the port that the task itself listens on.
    ToOwn = 3,
}

/// Everything between the Ethernet header and the packet inside.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Header {
    ip: Ipv4,
    source_port: Be16,
    destination_port: Be16,
    udp_length: Be16,
    udp_checksum: Be16,
    geneve: Geneve,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Geneve {
    version_options: u8,
    control: u8,
    protocol: Be16,
    network: Be32,
    class: Be16,
    kind: u8,
    length: u8,
    key: [Be32; 2],
}

/// Version 0; 3 words of options.
const VERSION_OPTIONS: u8 = 3;
/// Experimental range of option classes (RFC 8926, section 7): ours until one is registered.
const CLASS: Be16 = Be16::new(0xff5b);
/// Two words of data in the option.
const LENGTH: u8 = 2;

const _: () = assert!(size_of::<Header>() == OVERHEAD);

/// What a tunnelled frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The node that sent it.
    pub sender: Be32,
    /// Which way it goes.
    pub way: Way,
    /// Key of the task.
    pub task: u64,
}

/// Could this be a tunnel packet for us? Cheap, on what is parsed already.
#[inline(always)]
#[must_use]
pub fn addressed(segment: &Segment, settings: &Settings) -> bool {
    segment.tuple.proto == UDP
        && matches!(segment.piece, Piece::Whole)
        && segment.tuple.destination_port == settings.tunnel_port
        && segment.tuple.destination == settings.node
}

/// Reads the tunnel header. None if it is someone else's Geneve.
#[inline(always)]
pub fn open<P: Packet>(packet: &P) -> Option<Opened> {
    let header: Header = packet.load(ETHERNET)?;
    let geneve = header.geneve;
    if header.ip.version_length != 0x45
        || geneve.version_options != VERSION_OPTIONS
        || geneve.control & 0x80 != 0
        || geneve.protocol != IPV4
        || geneve.class != CLASS
        || geneve.length != LENGTH
    {
        return None;
    }
    let way = match geneve.kind & 0x7f {
        1 => Way::ToTask,
        2 => Way::ToClient,
        3 => Way::ToOwn,
        _ => return None,
    };
    let [high, low] = geneve.key;
    Some(Opened {
        sender: header.ip.source,
        way,
        task: u64::from(high.get()) << 32 | u64::from(low.get()),
    })
}

/// Would the packet still fit the uplink inside the tunnel? Merged packets count by segment.
#[inline(always)]
pub fn fits<P: Packet>(packet: &P, segment: &Segment, settings: &Settings) -> bool {
    let each = match packet.segment_size() {
        0 => usize::from(segment.total),
        payload => payload as usize + segment.headers,
    };
    each + OVERHEAD <= settings.mtu as usize
}

/// Puts the packet into the tunnel to `node`. False if the frame could not grow.
///
/// The outer checksum is zero, as RFC 8200's and RFC 6935's reasoning allows for
/// tunnels: the packet inside has its own. The outer source port spreads flows
/// over queues and paths.
#[inline(always)]
pub fn enter<P: Packet>(
    packet: &mut P,
    segment: &Segment,
    settings: &Settings,
    node: Be32,
    way: Way,
    task: u64,
) -> bool {
    let keep_segments = fits(packet, segment, settings);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the key")]
    let key = [Be32::new((task >> 32) as u32), Be32::new(task as u32)];
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
            network: Be32::new(0),
            class: CLASS,
            kind: way as u8,
            length: LENGTH,
            key,
        },
    };
    packet.grow(keep_segments) && packet.store(ETHERNET, &header)
}

/// Sends the packet through the tunnel to `node`, out of the uplink.
#[inline(always)]
pub fn send<P: Packet>(
    packet: &mut P,
    segment: &Segment,
    settings: &Settings,
    node: Be32,
    way: Way,
    task: u64,
) -> Verdict {
    if enter(packet, segment, settings, node, way, task) {
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
