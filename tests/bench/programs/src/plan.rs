//! Parameters of a wrapper: written into its read-only data before it is loaded, so
//! that the kernel knows every number and drops the branches that are not taken.

use zerocopy::{Immutable, IntoBytes};

/// Bytes at the beginning of a frame that can be restored.
pub(crate) const HEAD: usize = 128;

/// The frame and what varies in it.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Plan {
    /// The frame's first bytes.
    pub(crate) head: [u64; HEAD / 8],
    /// So many of these words are written anew before each run.
    pub(crate) restored: u32,
    /// Bytes of the whole frame.
    pub(crate) length: u32,
    /// One less than the number of tuples, a power of two.
    pub(crate) mask: u32,
    /// The number of the next tuple is that of this one times `factor` plus `step`.
    pub(crate) factor: u32,
    /// See `factor`.
    pub(crate) step: u32,
    /// Offset of the last byte of the client's IPv4 address.
    pub(crate) host_at: u32,
    /// Offset of the client's port.
    pub(crate) port_at: u32,
    /// Zero.
    pub(crate) zero: u32,
}

impl Plan {
    /// The first of a client's ports, of which 2^12 are used.
    pub(crate) const PORTS: u16 = 0x8000;

    /// The last byte of the client's address and the client's port in tuple `index`, of at most
    /// 2^20.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn tuple(index: u32) -> (u8, u16) {
        let [low, middle, high, _] = index.to_le_bytes();
        let port = Self::PORTS | ((middle as u16 & 0x0f) << 8) | low as u16;
        (high << 4 | middle >> 4, port)
    }
}
