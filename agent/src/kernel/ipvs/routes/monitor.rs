//! Reports that links, routes or rules changed, but not which: the caller observes again. That makes
//! overruns harmless.

use lb_netlink::socket::Error;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

/// `RTNLGRP_LINK`, `RTNLGRP_IPV4_ROUTE` and `RTNLGRP_IPV4_RULE` of `linux/rtnetlink.h`, numbered from 1.
const GROUPS: [u32; 3] = [1, 7, 8];

/// Notifications about changes in one network namespace.
#[derive(Debug)]
pub struct Monitor(Socket);

impl Monitor {
    /// Listens in the calling thread's network namespace, from now on.
    ///
    /// # Errors
    /// When there is no socket.
    pub fn open() -> Result<Self, Error> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(Error::Socket)?;
        let groups = GROUPS.into_iter().map(|group| 1 << (group - 1)).sum();
        socket.set_non_blocking(true).map_err(Error::Socket)?;
        socket
            .bind(&SocketAddr::new(0, groups))
            .map_err(Error::Socket)?;
        Ok(Self(socket))
    }

    /// Whether anything changed since the last call, by this process or by another one.
    pub fn changed(&self) -> bool {
        let mut changed = false;
        loop {
            // The kernel drops the rest of a datagram.
            let mut start = [0_u8; 1];
            match self.0.recv(&mut start.as_mut_slice(), 0) {
                Ok(_) => changed = true,
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EAGAIN) => return changed,
                    // Some were lost.
                    Some(Errno::ENOBUFS) => changed = true,
                    _ => return true,
                },
            }
        }
    }
}
