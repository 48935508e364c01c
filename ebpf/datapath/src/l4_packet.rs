//! The facts about a TCP or UDP packet by which the datapath decides.

use crate::headers::Fragment;
use lb_abi::flow::{ANSWERED, FIN_IN, FIN_OUT, PROOF_WINDOW, RESET, Tuple};
use lb_abi::{Be16, Be32, UDP};

/// TCP flag bits (RFC 9293, section 3.1).
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Acknowledgment field significant.
    pub const ACK: u8 = 0x10;

    /// Are these the flags of a SYN that opens a connection?
    #[inline(always)]
    #[must_use]
    pub const fn open(flags: u8) -> bool {
        flags & (SYN | ACK | RST | FIN) == SYN
    }
}

/// A TCP or UDP packet, or a fragment of one.
#[derive(Clone, Copy, Debug)]
pub struct L4Packet {
    /// Its 5-tuple.
    pub tuple: Tuple,
    /// Offset of the IPv4 header in the frame.
    pub l3: usize,
    /// Offset of the TCP or UDP header in the frame, where there is one.
    pub l4: usize,
    /// Bytes of headers, IPv4 and (but for [`Fragment::Rest`]) transport.
    pub headers: usize,
    /// Bytes of the IPv4 packet.
    pub total: u16,
    /// DSCP and ECN.
    pub tos: u8,
    /// TCP flags; 0 for UDP and [`Fragment::Rest`].
    pub flags: u8,
    /// Whether it is a fragment, and which one.
    pub fragment: Fragment,
    /// Identification of the packet, which its fragments share.
    pub id: Be16,
    /// Sequence number; 0 where there are no [`L4Packet::flags`].
    pub sequence: u32,
    /// Acknowledgement number, meaningful with [`flags::ACK`].
    pub acknowledgement: u32,
}

impl L4Packet {
    /// No packet.
    pub const NONE: Self = Self {
        tuple: Tuple {
            source: Be32::ZERO,
            destination: Be32::ZERO,
            source_port: Be16::new(0),
            destination_port: Be16::new(0),
            proto: 0,
            zero: [0; 3],
        },
        l3: 0,
        l4: 0,
        headers: 0,
        total: 0,
        tos: 0,
        flags: 0,
        fragment: Fragment::None,
        id: Be16::new(0),
        sequence: 0,
        acknowledgement: 0,
    };

    /// A TCP SYN that opens a connection?
    #[inline(always)]
    #[must_use]
    pub const fn opens(&self) -> bool {
        flags::open(self.flags)
    }

    /// May it be a flow's first packet: a TCP SYN, or any UDP datagram?
    #[inline(always)]
    #[must_use]
    pub const fn may_begin_flow(&self) -> bool {
        self.opens() || self.tuple.proto == UDP
    }

    /// A SYN or SYN-ACK, which carries the MSS option?
    #[inline(always)]
    #[must_use]
    pub const fn negotiates(&self) -> bool {
        self.flags & flags::SYN != 0
    }

    /// The state bits that a packet of the client's sets in its flow.
    #[inline(always)]
    #[must_use]
    pub const fn state_in(&self) -> u32 {
        (if self.flags & flags::FIN != 0 {
            FIN_IN
        } else {
            0
        }) | (if self.flags & flags::RST != 0 {
            RESET
        } else {
            0
        })
    }

    /// The state bits that a packet of the task's sets in its flow.
    #[inline(always)]
    #[must_use]
    pub const fn state_out(&self) -> u32 {
        ANSWERED
            | (if self.flags & flags::FIN != 0 {
                FIN_OUT
            } else {
                0
            })
            | (if self.flags & flags::RST != 0 {
                RESET
            } else {
                0
            })
    }

    /// The number whose acknowledgement proves that this packet of the task's was seen, if it is one of a
    /// connection that goes on. That of a SYN-ACK is the initial sequence number and one. A reset proves nothing: it
    /// repeats what the other side has said (RFC 9293, section 3.10.7.1).
    #[inline(always)]
    #[must_use]
    pub const fn proof(&self) -> Option<u32> {
        if self.flags & (flags::ACK | flags::RST) == flags::ACK {
            let syn = (self.flags & flags::SYN) / flags::SYN;
            Some(self.sequence.wrapping_add(syn as u32))
        } else {
            None
        }
    }

    /// Does this packet of the client's acknowledge `proof`? Neither a SYN nor a reset does: anybody answers so.
    #[inline(always)]
    #[must_use]
    pub const fn acknowledges(&self, proof: u32) -> bool {
        self.flags & (flags::ACK | flags::SYN | flags::RST) == flags::ACK
            && self.acknowledgement.wrapping_sub(proof) < PROOF_WINDOW
    }

    /// Bytes on the wire, as IP packets: a merged packet's segments each had headers.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self, segments: u32) -> u64 {
        u64::from(self.total) + u64::from(segments.saturating_sub(1)) * self.headers as u64
    }
}
