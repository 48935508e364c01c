//! Version of IPVS, and the timeouts of a network namespace.

use super::message::{
    Attribute, INFO_CONN_TAB_SIZE, INFO_VERSION, Message, TIMEOUT_TCP, TIMEOUT_TCP_FIN,
    TIMEOUT_UDP, as_u32,
};

/// Version and table size of IPVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Major, minor, patch: 1.2.1 for many years now.
    pub version: (u8, u8, u8),
    /// Places in the hash table of connections, which all network namespaces share; more
    /// connections than places are fine, and slow.
    pub table_size: u32,
}

/// Timeouts of idle connections, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Timeout of an established TCP connection.
    pub tcp: u32,
    /// Timeout of a TCP connection after a FIN.
    pub tcp_fin: u32,
    /// Timeout of UDP.
    pub udp: u32,
}

impl Timeouts {
    pub(super) fn attributes(self) -> Vec<Attribute> {
        vec![
            Attribute::u32(TIMEOUT_TCP, self.tcp),
            Attribute::u32(TIMEOUT_TCP_FIN, self.tcp_fin),
            Attribute::u32(TIMEOUT_UDP, self.udp),
        ]
    }

    pub(super) fn parse(message: &Message) -> Option<Self> {
        let number = |kind| message.find(kind).and_then(as_u32);
        Some(Self {
            tcp: number(TIMEOUT_TCP)?,
            tcp_fin: number(TIMEOUT_TCP_FIN)?,
            udp: number(TIMEOUT_UDP)?,
        })
    }
}

impl Info {
    pub(super) fn parse(message: &Message) -> Option<Self> {
        // 0x00MMmmpp
        let [_, major, minor, patch] = as_u32(message.find(INFO_VERSION)?)?.to_be_bytes();
        Some(Self {
            version: (major, minor, patch),
            table_size: as_u32(message.find(INFO_CONN_TAB_SIZE)?)?,
        })
    }
}
