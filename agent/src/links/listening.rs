//! Ports that processes of this host use: by sockets that listen, and by datagram sockets that are bound and not
//! connected. Read by `sock_diag`, in the network namespace of the calling thread. The cost does not depend on the
//! number of connections.
//!
//! The kernel does not report the process of a socket, but the cgroup in which it was made. The engine's cgroup is
//! that of the socket of its gossip protocol, whose port is the same on every member of a Swarm.

use lb_core::model::node::Listener;
use lb_core::model::snapshot::Proto;
use lb_netlink::socket::{Error, NetlinkSocket};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags,
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;

/// Port of the gossip protocol of a Swarm's engines; it can't be changed.
const GOSSIP: u16 = 7946;
/// Attribute with the cgroup's number, since Linux 5.7 (`inet_diag.h`).
const CGROUP_ID: u16 = 21;
/// Default range of ephemeral ports: the kernel chooses from it for sockets that name no port.
const CHOSEN: RangeInclusive<u16> = 32_768..=60_999;
/// File with the range of ephemeral ports.
const CHOSEN_FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// File that exists if the kernel supports IPv6.
const IPV6_FILE: &str = "/proc/net/if_inet6";

/// Number of readings for which a port stays with a process that no longer listens: services of a host restart.
const LINGERS: u32 = 10;

/// Ports by number and protocol.
pub type Ports = BTreeMap<(u16, Proto), Listener>;

/// Owner of a socket, as far as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    user: u32,
    cgroup: u64,
}

/// A socket that uses a port of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    port: u16,
    proto: Proto,
    address: IpAddr,
    cookie: [u8; 8],
    owner: Owner,
}

/// Ports in use, as of the last reading.
#[derive(Debug, Default)]
pub struct Listening {
    socket: Option<NetlinkSocket>,
    ports: Ports,
    /// Ports whose sockets are closed: the former user, and the number of readings since then.
    gone: BTreeMap<(u16, Proto), (Listener, u32)>,
    /// Sockets on ephemeral ports at the last reading: most sockets of clients are closed by the next one.
    met: BTreeSet<[u8; 8]>,
    failure: Option<String>,
}

impl Listening {
    /// Ports in use, as of the last reading.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Error of the last reading, if it failed.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Reads again; returns the ports whose use has changed.
    pub fn refresh(&mut self) -> BTreeSet<(u16, Proto)> {
        let bound = match self.read() {
            Ok(bound) => bound,
            Err(error) => {
                // The next reading opens another socket.
                self.socket = None;
                let failure = crate::error_chain::error_chain(&error);
                if self.failure.as_ref() != Some(&failure) {
                    tracing::warn!(error = failure, "ports of the host's processes not read");
                }
                self.failure = Some(failure);
                return BTreeSet::new();
            }
        };
        self.failure = None;
        let range = std::fs::read_to_string(CHOSEN_FILE);
        let chosen = range.ok().and_then(|text| parse(&text)).unwrap_or(CHOSEN);
        let six = Path::new(IPV6_FILE).exists();
        let now = ports(&bound, &self.met, &chosen, six);
        self.met = bound.iter().map(|socket| socket.cookie).collect();
        let now = linger(&self.ports, &mut self.gone, now);
        let before = std::mem::replace(&mut self.ports, now);
        let all = before.keys().chain(self.ports.keys());
        all.filter(|port| before.get(*port) != self.ports.get(*port))
            .copied()
            .collect()
    }

    fn read(&mut self) -> Result<Vec<Bound>, Error> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(NetlinkSocket::open(NETLINK_SOCK_DIAG)?),
        };
        let mut bound = Vec::new();
        for (proto, number, states) in [
            (Proto::Tcp, IPPROTO_TCP, StateFlags::LISTEN),
            (Proto::Udp, IPPROTO_UDP, StateFlags::CLOSE),
        ] {
            for (family, id) in [
                (AF_INET, SocketId::new_v4()),
                (AF_INET6, SocketId::new_v6()),
            ] {
                let request = SockDiagMessage::InetRequest(InetRequest {
                    family,
                    protocol: number,
                    extensions: ExtensionFlags::empty(),
                    states: states.clone(),
                    socket_id: id,
                });
                for answer in socket.dump(request)? {
                    if let SockDiagMessage::InetResponse(socket) = answer {
                        bound.extend(self::bound(&socket, proto));
                    }
                }
            }
        }
        Ok(bound)
    }
}

fn bound(socket: &InetResponse, proto: Proto) -> Option<Bound> {
    let id = &socket.header.socket_id;
    let cgroup = socket.nlas.iter().find_map(|attribute| match attribute {
        Nla::Other(other) if netlink_packet_core::Nla::kind(other) == CGROUP_ID => {
            let mut bytes = [0; 8];
            (netlink_packet_core::Nla::value_len(other) == bytes.len())
                .then(|| netlink_packet_core::Nla::emit_value(other, &mut bytes))?;
            Some(u64::from_ne_bytes(bytes))
        }
        _ => None,
    });
    // Raw and unbound sockets have none.
    (id.source_port != 0).then_some(Bound {
        port: id.source_port,
        proto,
        address: id.source_address,
        cookie: id.cookie,
        owner: Owner {
            user: socket.header.uid,
            cgroup: cgroup.unwrap_or_default(),
        },
    })
}

/// The ports that the sockets use. `met` are sockets of the last reading, `chosen` is the range of ephemeral ports;
/// `six`: the host supports IPv6.
fn ports(
    bound: &[Bound],
    met: &BTreeSet<[u8; 8]>,
    chosen: &RangeInclusive<u16>,
    six: bool,
) -> Ports {
    let gossips = |socket: &&Bound| socket.port == GOSSIP && socket.proto == Proto::Tcp;
    let engine = bound.iter().find(gossips).map(|socket| socket.owner);
    let both: BTreeSet<(u16, Proto)> = bound
        .iter()
        .filter(|socket| socket.address.is_ipv6())
        .map(|socket| (socket.port, socket.proto))
        .collect();
    let mut ports = Ports::new();
    for socket in bound {
        let port = (socket.port, socket.proto);
        let passing = socket.proto == Proto::Udp && chosen.contains(&socket.port);
        if passing && !met.contains(&socket.cookie) {
            continue;
        }
        // The engine's proxies listen for both families. What it has the kernel open for one, on
        // any address, is where an overlay's packets come in: not to be taken.
        let overlay = six
            && socket.proto == Proto::Udp
            && socket.address.is_unspecified()
            && !both.contains(&port);
        let listener = Listener {
            address: socket.address,
            engine: engine == Some(socket.owner) && !overlay,
            passing,
        };
        ports
            .entry(port)
            .and_modify(|known| {
                // Processes other than the engine are reported.
                if known.engine && !listener.engine {
                    *known = listener;
                } else if known.engine == listener.engine {
                    known.address = known.address.min(listener.address);
                }
            })
            .or_insert(listener);
    }
    ports
}

/// Ports in use `now`, with those that were in use `before` and may be again: a process that restarts must find
/// its port free, and no task may answer in between.
fn linger(
    before: &Ports,
    gone: &mut BTreeMap<(u16, Proto), (Listener, u32)>,
    mut now: Ports,
) -> Ports {
    for (port, listener) in before {
        // The engine's, and what the kernel chose, come and go for good.
        if !listener.engine && !listener.passing {
            gone.entry(*port).or_insert((*listener, 0));
        }
    }
    gone.retain(|port, (listener, looks)| {
        if now.contains_key(port) {
            return false;
        }
        *looks += 1;
        if *looks > LINGERS {
            return false;
        }
        now.insert(*port, *listener);
        true
    });
    now
}

/// `32768\t60999`
fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    let mut words = text.split_whitespace().map(str::parse);
    Some(words.next()?.ok()?..=words.next()?.ok()?)
}

#[cfg(test)]
mod tests;
