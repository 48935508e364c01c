//! Keys of the tokens by which a tunnel packet proves that a node of the Swarm sent it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A secret key of `SipHash`: its two halves, each read as little-endian bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TokenKey {
    /// Bytes 0 to 7.
    pub low: u64,
    /// Bytes 8 to 15.
    pub high: u64,
}

impl TokenKey {
    /// The key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        let both = u128::from_le_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        Self {
            low: both as u64,
            high: (both >> 64) as u64,
        }
    }

    /// The bytes of the key.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        (self.low as u128 | (self.high as u128) << 64).to_le_bytes()
    }

    /// Is there a key? All zeros stand for none, in maps that can't leave a place empty.
    #[inline(always)]
    #[must_use]
    pub const fn there(&self) -> bool {
        self.low | self.high != 0
    }
}

/// Keys never reach a log.
impl core::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.there() {
            "TokenKey(..)"
        } else {
            "TokenKey(none)"
        })
    }
}

/// Keys of one sender in two epochs, one after the other: an epoch's key has the place of its
/// number's lowest bit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct TokenKeys {
    /// The keys of an even and of an odd epoch.
    pub keys: [TokenKey; 2],
}

impl TokenKeys {
    /// The key of `epoch` and that of the epoch after it.
    #[must_use]
    pub const fn new(epoch: u32, current: TokenKey, next: TokenKey) -> Self {
        let keys = if epoch & 1 == 0 {
            [current, next]
        } else {
            [next, current]
        };
        Self { keys }
    }

    /// The key of `epoch`, which may be one that is over: its token does not fit then.
    #[inline(always)]
    #[must_use]
    pub const fn of(&self, epoch: u32) -> &TokenKey {
        let [even, odd] = &self.keys;
        if epoch & 1 == 0 { even } else { odd }
    }
}
