//! Expressions of a rule, in order: load something into a register, compare it, look it up, act.
//!
//! A step that does not hold, or that can't be done with this packet (no ports in a fragment, a
//! full set), ends the rule and goes on with the next one.

use super::names::SetName;
use std::time::Duration;

/// Registers are 16 words of 4 bytes; what is longer lies in several, one after the other.
/// What is shorter is padded with zeros, so that concatenated fields begin at a word each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are numbered")]
pub enum Register {
    W0,
    W1,
    W2,
    W3,
    W4,
    W8,
}

/// One word as it lies in a register.
pub type Word = [u8; 4];

/// What is known about a packet beside its bytes (`enum nft_meta_keys`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// Its Ethernet protocol, two bytes, big-endian.
    EtherType,
    /// `skb->priority`, a number of 32 bits of this machine.
    Priority,
    /// The packet's mark, a number of 32 bits of this machine.
    Mark,
    /// Index of the device that it came in on, a number of 32 bits of this machine.
    InIndex,
    /// Name of that device: 16 bytes, padded with zeros.
    InName,
    /// Name of the device that it leaves by: 16 bytes, padded with zeros.
    OutName,
    /// The user whose process sends it, a number of 32 bits of this machine; there is none for
    /// what the kernel makes or passes on.
    User,
    /// Its network protocol: one byte, `NFPROTO_…`.
    Network,
    /// Its transport protocol: one byte, `IPPROTO_…`.
    Transport,
    /// How it was received: one byte, `PACKET_…` of `linux/if_packet.h`. Can be set in prerouting only.
    PacketType,
}

/// What connection tracking knows about a packet (`enum nft_ct_keys`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracked {
    /// Its state, bits of `NF_CT_STATE_…` in a number of 32 bits of this machine. All packets have one.
    State,
    /// Its direction, one byte, `IP_CT_DIR_…`. What is not tracked has none.
    Direction,
}

/// Header from whose beginning a field's offset is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The IP header.
    Network,
    /// The header of TCP or UDP; not there in fragments but the first.
    Transport,
}

/// Bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The header.
    pub layer: Layer,
    /// First byte, from the begin of the header.
    pub offset: u8,
    /// Bytes.
    pub length: u8,
}

/// Comparison of a register with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Goes on if both are the same.
    Equal,
    /// Goes on if they differ.
    Unequal,
}

/// Verdict about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The packet passes this chain.
    Accept,
    /// The packet is dropped.
    Drop,
    /// Continues in another chain, and never returns.
    Goto(&'static str),
    /// Continues in another chain, and returns behind this rule at its end.
    Jump(&'static str),
    /// Returns to the calling chain.
    Return,
}

/// An address of a packet, and where it counts as this host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// The sender's, on any device.
    Source,
    /// The receiver's, on any device.
    Destination,
    /// The receiver's, on the device that the packet came in on.
    DestinationOnDevice,
}

/// Condition on a lookup in a set or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Goes on if the key is in the set.
    Present,
    /// Goes on if it is not.
    Absent,
    /// Goes on if the key is in the map, with its value in this register.
    Value(Register),
}

/// One expression of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Loads what is known about the packet.
    Meta(Meta, Register),
    /// Sets it: mark, priority or packet type only.
    SetMeta(Meta, Register),
    /// Loads what connection tracking knows about the packet.
    Track(Tracked, Register),
    /// Loads bytes of the packet.
    Payload(Payload, Register),
    /// Replaces an address in the IPv4 header, with the checksums of IP, TCP and UDP.
    SetAddress(Payload, Register),
    /// Replaces bytes in the header of TCP or UDP, or behind it. Their one's complement sum with the two bytes
    /// at this place of the header stays, as that of what a checksum covers does. Pairs of bytes only, from an even
    /// place on.
    SetSummed(Payload, u8, Register),
    /// Replaces bytes that no checksum covers.
    Set(Payload, Register),
    /// Compares with bytes, from the begin of a register.
    Compare(Register, Comparison, Vec<u8>),
    /// Keeps only the bits of this mask.
    Mask(Register, Vec<u8>),
    /// Turns the bits of this mask over.
    Flip(Register, Vec<u8>),
    /// Looks a key up that begins at this register.
    Lookup(SetName, Register, Found),
    /// Puts bytes into a register.
    Immediate(Register, Vec<u8>),
    /// Decides.
    Verdict(Verdict),
    /// Counts packets and bytes.
    Count,
    /// The packet belongs to no connection that the kernel tracks.
    NoTrack,
    /// Sends a copy, untracked, by the route to the IPv4 address in the register.
    Duplicate(Register),
    /// Replaces the destination of the connection by the IPv4 address in the register, in prerouting and output.
    DestinationNat(Register),
    /// Replaces the source of the connection, in postrouting.
    SourceNat {
        /// The first and the last IPv4 address of the range. A source has the same one for all its connections
        /// (`NF_NAT_RANGE_PERSISTENT`).
        addresses: (Register, Register),
        /// The first and the last port, big-endian.
        ports: (Register, Register),
    },
    /// Puts key and value into a dynamic set or map, or renews what is there.
    Update {
        /// The set.
        set: SetName,
        /// Register in which the key begins.
        key: Register,
        /// Register of the value, for maps.
        value: Option<Register>,
        /// Lifetime, if it differs from the set's.
        time: Option<Duration>,
    },
    /// Takes a key out of a dynamic set or map.
    Delete {
        /// The set.
        set: SetName,
        /// Register in which the key begins.
        key: Register,
    },
    /// Loads the type (`RTN_…`, a number of 32 bits of this machine) of an address of the packet.
    AddressType(Address, Register),
    /// Loads one byte: 1 if the packet's sender is reached by the device that it came in on.
    WayBack(Register),
    /// Lowers the MSS in a TCP header to the number (2 bytes, big-endian) in the register. The
    /// kernel never raises it, and adds none.
    SetMss(Register),
    /// Drops the packet and answers with a TCP reset.
    Reset,
    /// Loads the number of the tunnel that the packet came out of: a number of 32 bits of this
    /// machine.
    TunnelId(Register),
}
