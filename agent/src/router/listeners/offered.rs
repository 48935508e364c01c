//! Looks at a socket that a router offers: only what an agent could have made is taken over. The router is not
//! trusted: it talks to strangers.

use crate::links::{netns_cookie, netns_cookie_of};
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketType, getsockname, ipproto, sockopt};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// Reasons for which a socket is not taken over.
#[derive(Debug, thiserror::Error)]
pub(in crate::router) enum Refused {
    /// It is no socket, or the kernel does not tell of it.
    #[error("the kernel does not tell what it is")]
    Unreadable(#[source] Errno),
    /// It is of another kind.
    #[error(
        "it is no TCP socket that listens, shares its port, and belongs to this network namespace"
    )]
    Kind,
    /// It listens on one address alone, or on one family.
    #[error("it listens on {address}, and not on all addresses")]
    Address {
        /// The address, if it is one of IP.
        address: String,
    },
    /// It listens on a port that is no entry point.
    #[error("port {port} is no entry point")]
    Port {
        /// The port.
        port: u16,
    },
    /// There are enough of them.
    #[error("port {port} has as many sockets as it may have")]
    TooMany {
        /// The port.
        port: u16,
    },
}

/// The port of a socket that is such as the agent makes them.
pub(super) fn port(socket: &OwnedFd) -> Result<u16, Refused> {
    let unreadable = Refused::Unreadable;
    let kind = sockopt::socket_type(socket).map_err(unreadable)?;
    let protocol = sockopt::socket_protocol(socket).map_err(unreadable)?;
    let fits = kind == SocketType::STREAM
        && protocol == Some(ipproto::TCP)
        && sockopt::socket_acceptconn(socket).map_err(unreadable)?
        && sockopt::socket_reuseport(socket).map_err(unreadable)?
        && netns_cookie_of(socket) == netns_cookie();
    if !fits {
        return Err(Refused::Kind);
    }
    let name: SocketAddrAny = getsockname(socket).map_err(unreadable)?;
    let address = SocketAddr::try_from(name).map_err(unreadable)?;
    let all = address.ip().is_unspecified()
        && (address.is_ipv4() || !sockopt::ipv6_v6only(socket).map_err(unreadable)?);
    if !all {
        let address = address.to_string();
        return Err(Refused::Address { address });
    }
    Ok(address.port())
}
