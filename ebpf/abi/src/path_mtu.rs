//! MTUs of the paths to other nodes, as ICMP errors about tunnel packets say.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The MTU of the path to another node, by that node's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PathMtu {
    /// Bytes of the largest IPv4 packet that comes through.
    pub mtu: u32,
    /// When a router last said so, in [`crate::flow::ticks`].
    pub since: u32,
}

impl PathMtu {
    /// It is believed for so many ticks, 600 s, as by Linux (`net.ipv4.route.mtu_expires`): paths change, and nobody says when
    /// larger packets come through again.
    pub const LASTS: u32 = 559;

    /// Is it still believed at `now`, in ticks? Also if it was said a moment after that, on another CPU.
    #[inline(always)]
    #[must_use]
    pub const fn is_valid(&self, now: u32) -> bool {
        let age = now.wrapping_sub(self.since);
        age < Self::LASTS || age > u32::MAX / 2
    }
}

#[test]
fn it_is_believed_for_ten_minutes() {
    for since in [0, 1_000, u32::MAX - 3] {
        let path = PathMtu { mtu: 1400, since };
        let at = |age: u32| path.is_valid(since.wrapping_add(age));
        assert!(at(0) && at(558) && !at(559) && !at(100_000), "{since}");
        assert!(path.is_valid(since.wrapping_sub(1)), "{since}");
    }
}
