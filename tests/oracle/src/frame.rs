//! Frames that are right in most bytes.

use crate::names::{EPOCH, MAC, Node, Port, TUNNEL, Who, task_key, token_keys};
use crate::sums::{ICMP, TCP, UDP, sum};
use arbitrary::Arbitrary;
use lb_datapath::model;
use lb_datapath::tunnel::seal;

/// One frame.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Frame {
    foreign_mac: Option<[u8; 6]>,
    ethertype: Option<u16>,
    tunnel: Option<Outer>,
    packet: Packet,
    padding: u8,
    spoilt: Vec<(u8, u8)>,
    cut: Option<u8>,
}

/// Around a packet, what another node puts there.
#[derive(Arbitrary, Clone, Debug)]
struct Outer {
    from: Node,
    to: Node,
    back: bool,
    task: u8,
    spoilt: Option<(u8, u8)>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Packet {
    from: Who,
    to: Who,
    tos: u8,
    options: Option<[u8; 4]>,
    fragment: Option<u16>,
    content: Content,
}

#[derive(Arbitrary, Clone, Debug)]
enum Content {
    Tcp {
        ports: [Port; 2],
        flags: Flags,
        options: Options,
        bytes: Vec<u8>,
    },
    Udp {
        ports: [Port; 2],
        summed: bool,
        bytes: Vec<u8>,
    },
    Icmp {
        kind: Kind,
        from: Who,
        to: Who,
        udp: bool,
        ports: [Port; 2],
        options: Option<[u8; 4]>,
        bytes: Vec<u8>,
    },
    Other(u8, Vec<u8>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Flags {
    Syn,
    SynAck,
    Ack,
    Fin,
    Reset,
    Any(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Options {
    None,
    Mss(u16),
    /// On an odd offset.
    OddMss(u16),
    Any([u8; 8]),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Unreachable(u8),
    TimeExceeded,
    Other(u8),
}

impl Frame {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.foreign_mac.unwrap_or(MAC).to_vec();
        bytes.extend([2, 0, 0, 0, 0, 9]);
        bytes.extend(self.ethertype.unwrap_or(0x0800).to_be_bytes());
        let packet = self.packet.bytes();
        match &self.tunnel {
            None => bytes.extend(packet),
            Some(outer) => bytes.extend(outer.around(&packet)),
        }
        if let Some(outer) = &self.tunnel {
            // Another node of the Swarm may say anything, but it says it by its own key.
            let mut frame = model::Frame::<true>::new(bytes);
            seal(&mut frame, &token_keys(outer.from));
            bytes = frame.bytes;
        }
        bytes.resize(bytes.len() + usize::from(self.padding & 7), 0xee);
        for (at, to) in self.spoilt.iter().take(3) {
            if let Some(byte) = bytes.get_mut(usize::from(*at)) {
                *byte = *to;
            }
        }
        if let Some(cut) = self.cut {
            bytes.truncate(bytes.len().saturating_sub(usize::from(cut)));
        }
        bytes
    }
}

impl Outer {
    fn around(&self, packet: &[u8]) -> Vec<u8> {
        let length = u16::try_from(packet.len() + 36).unwrap_or(u16::MAX);
        let mut inner = 0xc123_u16.to_be_bytes().to_vec();
        inner.extend(TUNNEL.to_be_bytes());
        inner.extend(length.to_be_bytes());
        inner.extend([0, 0, 5, 0, 8, 0]);
        inner.extend((EPOCH << 8).to_be_bytes());
        inner.extend([0xff, 0x5b, if self.back { 2 } else { 1 }, 4]);
        // One more than there are: unknown tasks.
        inner.extend(task_key(self.task % 5).to_be_bytes());
        inner.extend([0; 8]);
        if let Some((at, to)) = self.spoilt {
            let at = usize::from(at) % inner.len();
            inner[at] = to;
        }
        inner.extend(packet);
        let ends = (self.from.address().octets(), self.to.address().octets());
        ipv4(ends, 0, 0x4000, &[], UDP, &inner)
    }
}

impl Packet {
    fn bytes(&self) -> Vec<u8> {
        let ends = (self.from.address().octets(), self.to.address().octets());
        let (proto, payload) = self.content.bytes(ends);
        let options = self.options.as_ref().map_or(&[][..], |options| options);
        ipv4(
            ends,
            self.tos,
            self.fragment.unwrap_or(0x4000),
            options,
            proto,
            &payload,
        )
    }
}

impl Content {
    fn bytes(&self, ends: ([u8; 4], [u8; 4])) -> (u8, Vec<u8>) {
        match self {
            Self::Tcp {
                ports,
                flags,
                options,
                bytes,
            } => (TCP, tcp(ends, *ports, *flags, *options, few(bytes))),
            Self::Udp {
                ports,
                summed,
                bytes,
            } => (UDP, udp(ends, *ports, *summed, few(bytes))),
            Self::Icmp {
                kind,
                from,
                to,
                udp: about_udp,
                ports,
                options,
                bytes,
            } => {
                let about = (from.address().octets(), to.address().octets());
                let (proto, embedded) = if *about_udp {
                    (UDP, udp(about, *ports, true, few(bytes)))
                } else {
                    (
                        TCP,
                        tcp(about, *ports, Flags::Ack, Options::None, few(bytes)),
                    )
                };
                let options = options.as_ref().map_or(&[][..], |options| options);
                (
                    ICMP,
                    icmp(*kind, &ipv4(about, 0, 0, options, proto, &embedded)),
                )
            }
            Self::Other(proto, bytes) => (*proto, few(bytes).to_vec()),
        }
    }
}

fn few(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(64)]
}

fn ipv4(
    (from, to): ([u8; 4], [u8; 4]),
    tos: u8,
    fragment: u16,
    options: &[u8],
    proto: u8,
    payload: &[u8],
) -> Vec<u8> {
    let length = 20 + options.len();
    let total = u16::try_from(length + payload.len()).unwrap_or(u16::MAX);
    let words = u8::try_from(length / 4).unwrap_or(5);
    let mut ip = vec![0x40 | words, tos];
    ip.extend(total.to_be_bytes());
    ip.extend([0, 1]);
    ip.extend(fragment.to_be_bytes());
    ip.extend([63, proto, 0, 0]);
    ip.extend(from);
    ip.extend(to);
    ip.extend(options);
    let checksum = !sum(&[&ip]);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    ip.extend(payload);
    ip
}

fn tcp(
    ends: ([u8; 4], [u8; 4]),
    ports: [Port; 2],
    flags: Flags,
    options: Options,
    bytes: &[u8],
) -> Vec<u8> {
    let options = match options {
        Options::None => Vec::new(),
        Options::Mss(mss) => [&[2, 4][..], &mss.to_be_bytes()].concat(),
        Options::OddMss(mss) => [&[1, 2, 4][..], &mss.to_be_bytes(), &[0, 0, 0]].concat(),
        Options::Any(options) => options.to_vec(),
    };
    let flags = match flags {
        Flags::Syn => 0x02,
        Flags::SynAck => 0x12,
        Flags::Ack => 0x10,
        Flags::Fin => 0x11,
        Flags::Reset => 0x04,
        Flags::Any(flags) => flags,
    };
    let mut tcp = Vec::new();
    tcp.extend(ports.iter().flat_map(|port| port.number().to_be_bytes()));
    // Everybody's number is 1, and what all acknowledge is what follows a SYN.
    tcp.extend([0, 0, 0, 1, 0, 0, 0, 2]);
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(5);
    tcp.extend([words << 4, flags, 4, 0, 0, 0, 0, 0]);
    tcp.extend(options);
    tcp.extend(bytes);
    let checksum = !pseudo(ends, TCP, &tcp);
    tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
    tcp
}

fn udp(ends: ([u8; 4], [u8; 4]), ports: [Port; 2], summed: bool, bytes: &[u8]) -> Vec<u8> {
    let mut udp = Vec::new();
    udp.extend(ports.iter().flat_map(|port| port.number().to_be_bytes()));
    let length = u16::try_from(8 + bytes.len()).unwrap_or(u16::MAX);
    udp.extend(length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(bytes);
    if summed {
        let checksum = match !pseudo(ends, UDP, &udp) {
            0 => 0xffff,
            checksum => checksum,
        };
        udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    }
    udp
}

fn icmp(kind: Kind, about: &[u8]) -> Vec<u8> {
    let (kind, code) = match kind {
        Kind::Unreachable(code) => (3, code),
        Kind::TimeExceeded => (11, 0),
        Kind::Other(kind) => (kind, 0),
    };
    let mut icmp = vec![kind, code, 0, 0, 0, 0, 5, 0];
    icmp.extend(about);
    let checksum = !sum(&[&icmp]);
    icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
    icmp
}

fn pseudo((from, to): ([u8; 4], [u8; 4]), proto: u8, payload: &[u8]) -> u16 {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    sum(&[&from, &to, &[0, proto], &length.to_be_bytes(), payload])
}
