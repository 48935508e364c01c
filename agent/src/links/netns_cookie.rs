//! The cookie of the host's network namespace.

use nix::libc;
use nix::sys::socket::sockopt::GetStruct;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, getsockopt, socket};
use std::os::fd::AsFd;

/// Cookie of a socket's network namespace, since Linux 5.14.
#[derive(Clone, Copy)]
struct NamespaceCookie;

nix::getsockopt_impl!(
    NamespaceCookie,
    libc::SOL_SOCKET,
    libc::SO_NETNS_COOKIE,
    u64,
    GetStruct<u64>
);

/// The cookie of the calling thread's network namespace, which the kernel's programs compare. The kernel never
/// gives it to another namespace. 0 if the kernel has no cookies.
#[must_use]
pub fn netns_cookie() -> u64 {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None);
    socket.map_or(0, |socket| netns_cookie_of(&socket))
}

/// The cookie of the network namespace that a socket belongs to; 0 if the kernel has no cookies.
#[must_use]
pub fn netns_cookie_of(socket: &impl AsFd) -> u64 {
    getsockopt(socket, NamespaceCookie).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_keeps_its_cookie() {
        assert_eq!(netns_cookie(), netns_cookie());
        assert_ne!(netns_cookie(), 0);
    }
}
