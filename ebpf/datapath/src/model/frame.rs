//! Frames in ordinary memory, with what a hook sees beside their bytes.

use crate::checksum;
use crate::packet::{Change, ETHERNET, Packet};
use crate::pmtu::ROOM;
use crate::tunnel::OVERHEAD;
use lb_abi::Be32;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A frame, as a hook sees it. `DELIVERS` false: XDP; true: tc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<const DELIVERS: bool> {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether the hook knows a way out.
    pub routed: bool,
    /// Whether the way to whoever sent it begins at the device that it came in on.
    pub leads: bool,
    /// Payload per segment of a merged packet.
    pub segment_size: u32,
    /// Packets on the wire.
    pub segments: u32,
    /// Cookie of the socket that sent it.
    pub socket: u64,
    /// Whether a program of swarmlb sent it out.
    pub redirected: bool,
    /// Whether this host received it from a device, and passes it on.
    pub forwarded: bool,
    /// The device that it came in on.
    pub link: u32,
    /// Whether it is a VLAN's.
    pub tagged: bool,
}

impl<const DELIVERS: bool> Frame<DELIVERS> {
    /// One packet, with a way out.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            routed: true,
            leads: true,
            segment_size: 0,
            segments: 1,
            socket: 0,
            redirected: false,
            forwarded: false,
            link: 0,
            tagged: false,
        }
    }

    fn patch(&mut self, at: usize, change: Change) -> bool {
        let Some(old) = self.load::<[u8; 2]>(at).map(u16::from_be_bytes) else {
            return false;
        };
        if change.udp && old == 0 {
            return true;
        }
        let mut new = if change.wide {
            checksum::replace4(old, change.from, change.to)
        } else {
            let [a, b, ..] = change.from;
            let [c, d, ..] = change.to;
            checksum::replace(old, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        };
        if change.udp && new == 0 {
            new = 0xffff;
        }
        self.store(at, &new.to_be_bytes())
    }
}

impl<const DELIVERS: bool> Packet for Frame<DELIVERS> {
    const DELIVERS: bool = DELIVERS;

    fn length(&self) -> usize {
        self.bytes.len()
    }

    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        T::read_from_prefix(self.bytes.get(offset..)?)
            .ok()
            .map(|(value, _)| value)
    }

    fn store<T: IntoBytes + Immutable>(&mut self, offset: usize, value: &T) -> bool {
        match self.bytes.get_mut(offset..) {
            Some(rest) => value.write_to_prefix(rest).is_ok(),
            None => false,
        }
    }

    fn grow(&mut self, _keep_segments: bool) -> bool {
        if self.bytes.len() < ETHERNET {
            return false;
        }
        self.bytes.splice(ETHERNET..ETHERNET, [0; OVERHEAD]);
        true
    }

    fn shrink(&mut self) -> bool {
        if self.bytes.len() < ETHERNET + OVERHEAD {
            return false;
        }
        self.bytes.drain(ETHERNET..ETHERNET + OVERHEAD);
        true
    }

    fn quote(&mut self, keep: usize) -> bool {
        if self.bytes.len() < keep || keep < ETHERNET {
            return false;
        }
        self.bytes.truncate(keep);
        self.bytes.splice(ETHERNET..ETHERNET, [0; ROOM]);
        true
    }

    fn patch_header(&mut self, at: usize, from: [u8; 4], to: [u8; 4]) -> bool {
        self.patch(
            at,
            Change {
                from,
                to,
                wide: true,
                pseudo: false,
                udp: false,
            },
        )
    }

    fn patch_transport(&mut self, at: usize, change: Change) -> bool {
        self.patch(at, change)
    }

    fn route(&mut self, _source: Be32, _destination: Be32) -> bool {
        self.routed
    }

    fn leads(&mut self, _source: Be32, _destination: Be32) -> bool {
        self.leads
    }

    fn segment_size(&self) -> u32 {
        self.segment_size
    }

    fn segments(&self) -> u32 {
        self.segments
    }

    fn socket(&self) -> u64 {
        self.socket
    }

    fn redirected(&self) -> bool {
        self.redirected
    }

    fn forwarded(&self) -> bool {
        self.forwarded
    }

    fn link(&self) -> u32 {
        self.link
    }

    fn enter(&mut self, bridge: u32) {
        self.link = bridge;
    }

    fn tagged(&self) -> bool {
        self.tagged
    }
}
