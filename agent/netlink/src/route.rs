//! Devices, IPv4 routes and rules of a network namespace, by `rtnetlink(7)`.
//!
//! Of routes and rules only those of one [`Owner`] are listed, and only for it are any made.

mod batch;
mod device;
mod error;
mod fib;
mod ipv4;
mod link;
mod rule;
mod rules;
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

/// The index of `lo`, the first device of every network namespace.
pub const LO: u32 = 1;

/// The marks by which one program's objects are told from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The `rtm_protocol` of its routes and the `FRA_PROTOCOL` of its rules.
    pub protocol: u8,
    /// The `IFLA_IFALIAS` of its devices.
    pub ifalias: &'static str,
}

/// How many times a list that changes while it is read is requested.
const TRIES: usize = 8;

/// Speaks with the kernel about devices, routes and rules.
#[derive(Debug)]
pub struct Routes {
    socket: NetlinkSocket,
    owner: Owner,
}

impl Routes {
    /// Opens a socket in the network namespace of the calling thread, and stays there.
    ///
    /// # Errors
    /// When there is no socket.
    pub fn open(owner: Owner) -> Result<Self, Error> {
        let mut socket = NetlinkSocket::open(NETLINK_ROUTE).map_err(Error::Socket)?;
        // So that of a million routes of a routing daemon none needs to be read.
        socket.strict().map_err(Error::Socket)?;
        Ok(Self { socket, owner })
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
