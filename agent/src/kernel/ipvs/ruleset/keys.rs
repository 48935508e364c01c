//! Fields of packets, and the keys of sets that are made of them.

use lb_core::backend::ipvs::ids::OWN_ROUTE_MASK;
use lb_netlink::nft::{Expression, Layer, Meta, Payload, Register};

/// A part of a rule: expressions in order.
pub(super) type Expressions = Vec<Expression>;

/// The register in which keys begin.
pub(super) const KEY: Register = Register::W0;
/// The register of values, apart from those of keys: what is between a lookup and its use leaves it alone.
pub(super) const VALUE: Register = Register::W8;

const fn network(offset: u8) -> Payload {
    Payload {
        layer: Layer::Network,
        offset,
        length: 4,
    }
}

pub(super) const fn transport(offset: u8, length: u8) -> Payload {
    Payload {
        layer: Layer::Transport,
        offset,
        length,
    }
}

pub(super) const SOURCE: Payload = network(12);
pub(super) const DESTINATION: Payload = network(16);
pub(super) const SOURCE_PORT: Payload = transport(0, 2);
pub(super) const DESTINATION_PORT: Payload = transport(2, 2);
pub(super) const TCP_FLAGS: Payload = transport(13, 1);
/// Behind the header of an ICMP error is the packet that it is about: an IPv4 header without options, and ports.
pub(super) const ABOUT_LENGTH: Payload = transport(8, 1);
pub(super) const ABOUT_TRANSPORT: Payload = transport(17, 1);
const ABOUT_SOURCE: Payload = transport(20, 4);
const ABOUT_DESTINATION: Payload = transport(24, 4);
const ABOUT_SOURCE_PORT: Payload = transport(28, 2);
const ABOUT_DESTINATION_PORT: Payload = transport(30, 2);

/// A field of a key.
#[derive(Clone, Copy)]
pub(super) enum KeyField {
    Source,
    Destination,
    Transport,
    SourcePort,
    DestinationPort,
    TunnelId,
    /// The route address of the node whose tunnel packet it was.
    Peer,
    /// The bits of the destination that name a task, where that is called by its own route address.
    OwnNetwork,
    /// Any bytes of the packet.
    Field(Payload),
    /// The source port with these bits turned over.
    OtherPort(u16),
    /// Transport protocol of the packet that an ICMP error is about.
    AboutTransport,
    AboutSource,
    AboutSourcePort,
    AboutDestination,
    AboutDestinationPort,
}

/// Puts the fields of a key into registers, a word each.
pub(super) fn key(parts: &[KeyField]) -> Expressions {
    let registers = [KEY, Register::W1, Register::W2, Register::W3];
    let each = parts.iter().zip(registers);
    each.flat_map(|(part, to)| load(*part, to)).collect()
}

/// Puts one field into a register.
pub(super) fn load(part: KeyField, to: Register) -> Expressions {
    let field = match part {
        KeyField::Transport => return vec![Expression::Meta(Meta::Transport, to)],
        KeyField::TunnelId => return vec![Expression::TunnelId(to)],
        KeyField::Peer => return vec![Expression::Meta(Meta::Priority, to)],
        KeyField::OwnNetwork => {
            let mask = Expression::Mask(to, OWN_ROUTE_MASK.to_be_bytes().to_vec());
            return vec![Expression::Payload(DESTINATION, to), mask];
        }
        KeyField::OtherPort(bits) => {
            let flip = Expression::Flip(to, bits.to_be_bytes().to_vec());
            return vec![Expression::Payload(SOURCE_PORT, to), flip];
        }
        KeyField::Field(field) => field,
        KeyField::Source => SOURCE,
        KeyField::Destination => DESTINATION,
        KeyField::SourcePort => SOURCE_PORT,
        KeyField::DestinationPort => DESTINATION_PORT,
        KeyField::AboutTransport => ABOUT_TRANSPORT,
        KeyField::AboutSource => ABOUT_SOURCE,
        KeyField::AboutSourcePort => ABOUT_SOURCE_PORT,
        KeyField::AboutDestination => ABOUT_DESTINATION,
        KeyField::AboutDestinationPort => ABOUT_DESTINATION_PORT,
    };
    vec![Expression::Payload(field, to)]
}

/// A published port.
pub(super) const PORT: [KeyField; 2] = [KeyField::Transport, KeyField::DestinationPort];
/// A virtual service that is called.
pub(super) const SERVICE: [KeyField; 3] = [
    KeyField::Destination,
    KeyField::Transport,
    KeyField::DestinationPort,
];
/// A task, or a virtual service, that answers.
pub(super) const REPLYING: [KeyField; 3] =
    [KeyField::Source, KeyField::Transport, KeyField::SourcePort];
/// A connection, of packets that its client sends.
pub(super) const CONNECTION: [KeyField; 4] = [
    KeyField::Source,
    KeyField::SourcePort,
    KeyField::Destination,
    KeyField::DestinationPort,
];

/// A connection, of packets that are sent to its client.
pub(super) const REPLY: [KeyField; 4] = [
    KeyField::Destination,
    KeyField::DestinationPort,
    KeyField::Source,
    KeyField::SourcePort,
];

/// A client's end of a connection.
pub(super) const CALLER: [KeyField; 2] = [KeyField::Source, KeyField::SourcePort];
