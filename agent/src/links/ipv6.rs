//! Whether this host has IPv6.

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Can processes of this host have IPv6 sockets? Not where the kernel was started with `ipv6.disable=1`.
#[must_use]
pub fn has_ipv6() -> bool {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet6, SockType::Stream, flags, None);
    !matches!(socket, Err(Errno::EAFNOSUPPORT))
}
