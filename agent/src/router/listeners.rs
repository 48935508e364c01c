//! The listening sockets of the HTTP router: made here, as only the agent may bind ports below 1024, and kept here, so
//! that clients of a router that dies wait in their queues and are not refused.
//!
//! Each entry point has as many sockets of one address and port as the router has threads: the kernel distributes
//! connections among them (`SO_REUSEPORT`). So each of them has to be accepted on, and every router gets all of them.

mod offered;

pub(super) use offered::Refused;

use lb_core::report::Problem;
use lb_router_wire::{EntryPoint, Listener};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Largest number of sockets of one entry point.
pub(super) const SOCKETS: usize = 64;
/// Connections that wait to be accepted, for each socket; the kernel's own limit is `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// The sockets of both entry points.
#[derive(Debug)]
pub(super) struct Listeners {
    /// Number of the port of each entry point.
    ports: [(EntryPoint, u16); 2],
    /// In the order in which they came.
    held: Vec<Held>,
    /// Why a port has fewer sockets than it should.
    failures: BTreeMap<u16, Errno>,
}

#[derive(Debug)]
struct Held {
    entry_point: EntryPoint,
    /// The kernel's number of the socket, by whichever descriptor.
    cookie: u64,
    socket: Arc<OwnedFd>,
}

impl Listeners {
    /// None yet, on these ports for HTTP and for HTTP by TLS.
    pub(super) fn new([http, https]: [u16; 2]) -> Self {
        Self {
            ports: [(EntryPoint::Http, http), (EntryPoint::Https, https)],
            held: Vec::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Takes over sockets that a router got from the agent before this one. Those that are none of ours are closed, and
    /// logged. Returns whether there were new ones.
    pub(super) fn adopt(&mut self, sockets: Vec<OwnedFd>) -> bool {
        let before = self.held.len();
        for socket in sockets {
            match self.check(&socket) {
                Ok(Some((entry_point, cookie))) => self.held.push(Held {
                    entry_point,
                    cookie,
                    socket: Arc::new(socket),
                }),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "a router's socket is not adopted"),
            }
        }
        self.held.len() != before
    }

    /// Entry point and number of a socket that is to be adopted; `None`: it is held already.
    fn check(&self, socket: &OwnedFd) -> Result<Option<(EntryPoint, u64)>, Refused> {
        let port = offered::port(socket)?;
        let mut ports = self.ports.iter();
        let (entry_point, _) = ports
            .find(|(_, number)| *number == port)
            .ok_or(Refused::Port { port })?;
        let cookie = sockopt::socket_cookie(socket).map_err(Refused::Unreadable)?;
        if self.held.iter().any(|held| held.cookie == cookie) {
            return Ok(None);
        }
        if self.count(*entry_point) >= SOCKETS {
            return Err(Refused::TooMany { port });
        }
        Ok(Some((*entry_point, cookie)))
    }

    /// Closes all. The next router gets new ones.
    pub(super) fn close(&mut self) {
        self.held.clear();
    }

    /// Sees to it that a router of so many threads has a socket for each. Returns whether there are new ones.
    pub(super) fn fill(&mut self, workers: usize) -> bool {
        let before = self.held.len();
        for (entry_point, port) in self.ports {
            let before = self.failures.remove(&port);
            while self.count(entry_point) < workers.clamp(1, SOCKETS) {
                let made = listen(port).and_then(|socket| {
                    let cookie = sockopt::socket_cookie(&socket)?;
                    Ok((socket, cookie))
                });
                match made {
                    Ok((socket, cookie)) => self.held.push(Held {
                        entry_point,
                        cookie,
                        socket: Arc::new(socket),
                    }),
                    Err(error) => {
                        if before != Some(error) {
                            tracing::warn!(port, %error, "no listening socket for the router");
                        }
                        self.failures.insert(port, error);
                        break;
                    }
                }
            }
        }
        self.held.len() != before
    }

    fn count(&self, entry_point: EntryPoint) -> usize {
        let held = self.held.iter();
        held.filter(|held| held.entry_point == entry_point).count()
    }

    /// Has a port fewer sockets than it should?
    pub(super) fn lacks_any(&self) -> bool {
        !self.failures.is_empty()
    }

    /// All sockets, each with the thread that is to accept on it, for a router of so many.
    pub(super) fn sockets(&self, workers: usize) -> Vec<(Listener, Arc<OwnedFd>)> {
        let mut sockets = Vec::new();
        for (entry_point, _) in self.ports {
            let held = self.held.iter();
            let held = held.filter(|held| held.entry_point == entry_point);
            let workers = u32::try_from(workers.clamp(1, SOCKETS)).unwrap_or(1);
            for (held, worker) in held.zip((0..workers).cycle()) {
                let listener = Listener {
                    entry_point,
                    worker,
                };
                sockets.push((listener, Arc::clone(&held.socket)));
            }
        }
        sockets
    }

    /// Ports on which the router can't be reached, and what to do.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let failures = self.failures.iter();
        let problems = failures.map(|(port, error)| Problem {
            object: format!("port {port} of this host"),
            message: match *error {
                Errno::ADDRINUSE => format!(
                    "somebody else listens on it, so HTTP routes are not served there: `ss -lntp 'sport = :{port}'` shows \
                     who; stop that process, or let the service that publishes the port choose another one"
                ),
                Errno::ACCESS | Errno::PERM => format!(
                    "this agent may not listen on it ({error}), so HTTP routes are not served there: give it the \
                     capability NET_BIND_SERVICE (deploy/router.yml does; under systemd it belongs into CapabilityBoundingSet)"
                ),
                error => format!(
                    "this agent can't listen on it ({error}), so HTTP routes are not served there; it is tried again \
                     every few seconds"
                ),
            },
        });
        problems.collect()
    }
}

/// A socket that listens on a port of all addresses, IPv6 and IPv4; of IPv4 alone where the host has no IPv6.
fn listen(port: u16) -> Result<OwnedFd, Errno> {
    let both = listen_at(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    match both {
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => {
            listen_at(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
        both => both,
    }
}

fn listen_at(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let tcp = Some(ipproto::TCP);
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, tcp)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
