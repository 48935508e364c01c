//! Counters of virtual services and destinations.

use super::message::{as_u64, each};
use netlink_packet_core::DecodeError;

/// `IPVS_STATS_ATTR_…` of `linux/ip_vs.h`.
const CONNS: u16 = 1;
const INPKTS: u16 = 2;
const OUTPKTS: u16 = 3;
const INBYTES: u16 = 4;
const OUTBYTES: u16 = 5;
const CPS: u16 = 6;
const INPPS: u16 = 7;
const OUTPPS: u16 = 8;
const INBPS: u16 = 9;
const OUTBPS: u16 = 10;

/// Counters since the server was made, and rates. The kernel brings both up to date every two
/// seconds or so, and not at all where `net.ipv4.vs.run_estimation` is 0. In: from clients;
/// out: to them (none where replies don't come by this host).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients, of IP packets.
    pub bytes_in: u64,
    /// Bytes to clients, of IP packets.
    pub bytes_out: u64,
    /// Connections per second.
    pub connection_rate: u64,
    /// Packets from clients per second.
    pub packet_rate_in: u64,
    /// Packets to clients per second.
    pub packet_rate_out: u64,
    /// Bytes from clients per second.
    pub byte_rate_in: u64,
    /// Bytes to clients per second.
    pub byte_rate_out: u64,
}

impl Stats {
    /// Both sets have the same attributes; in the older one most are of 32 bits, and wrap.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut stats = Self::default();
        for (kind, value) in each(bytes)? {
            let field = match kind {
                CONNS => &mut stats.connections,
                INPKTS => &mut stats.packets_in,
                OUTPKTS => &mut stats.packets_out,
                INBYTES => &mut stats.bytes_in,
                OUTBYTES => &mut stats.bytes_out,
                CPS => &mut stats.connection_rate,
                INPPS => &mut stats.packet_rate_in,
                OUTPPS => &mut stats.packet_rate_out,
                INBPS => &mut stats.byte_rate_in,
                OUTBPS => &mut stats.byte_rate_out,
                _ => continue,
            };
            *field = as_u64(value).unwrap_or_default();
        }
        Ok(stats)
    }

    /// The set of 64 bits, or on kernels before 4.1 the other.
    pub(super) fn best(
        attributes: &[(u16, &[u8])],
        long: u16,
        short: u16,
    ) -> Result<Self, DecodeError> {
        let find = |wanted| attributes.iter().find(|(kind, _)| *kind == wanted);
        match find(long).or_else(|| find(short)) {
            Some((_, value)) => Self::parse(value),
            None => Ok(Self::default()),
        }
    }
}
