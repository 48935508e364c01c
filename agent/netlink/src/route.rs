//! Devices, IPv4 routes and rules of a network namespace, by `rtnetlink(7)`.
//!
//! Of routes and rules only ours are listed: those that bear [`PROTOCOL`](crate::ids::PROTOCOL).

mod batch;
mod device;
mod error;
mod fib;
mod ipv4;
mod link;
mod rule;
mod table;

pub use error::{Error, Operation, Refused};
pub use fib::{Encap, Kind as RouteKind, MAIN, Route};
pub use ipv4::Setting;
pub use link::{Kind, Link, Vxlan};
pub use rule::{Rule, Selector};

use crate::socket::{self, NetlinkSocket};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;

/// How often a list is asked for that changes while it is read.
const TRIES: usize = 8;

/// Speaks with the kernel about devices, routes and rules.
#[derive(Debug)]
pub struct Routes {
    socket: NetlinkSocket,
}

impl Routes {
    /// In the network namespace of the calling thread; stays there.
    ///
    /// # Errors
    /// When there is no socket.
    pub fn open() -> Result<Self, Error> {
        let mut socket = NetlinkSocket::open(NETLINK_ROUTE).map_err(Error::Socket)?;
        // So that of a million routes of a routing daemon none needs to be read.
        socket.strict().map_err(Error::Socket)?;
        Ok(Self { socket })
    }

    fn list(
        &mut self,
        what: &'static str,
        message: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, Error> {
        let mut tries = 1;
        loop {
            match self.socket.dump(message.clone()) {
                Err(socket::Error::Refused(Errno::EINTR)) if tries < TRIES => tries += 1,
                answer => return answer.map_err(|source| Error::List { what, source }),
            }
        }
    }
}

#[cfg(test)]
mod tests;
