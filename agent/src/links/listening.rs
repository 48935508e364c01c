//! Ports of this host that its own processes have: sockets that listen, and datagram sockets that
//! are bound and not connected. By `sock_diag`, in the network namespace of the calling thread,
//! which looks at such sockets only, however many connections there are.
//!
//! The kernel does not say whose a socket is, but in which cgroup it was made. The engine's own is
//! that of the socket on which it gossips: on every member of a Swarm, on one port.

use lb_core::node::Listener;
use lb_core::snapshot::Proto;
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

/// The port on which engines of a Swarm gossip; none can choose another.
const GOSSIP: u16 = 7946;
/// Attribute with the cgroup's number, since Linux 5.7 (`inet_diag.h`).
const CGROUP_ID: u16 = 21;
/// From which ports the kernel chooses for who names none, unless the host says otherwise.
const CHOSEN: RangeInclusive<u16> = 32_768..=60_999;
/// Where the host says so.
const CHOSEN_FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// It is there where the kernel speaks IPv6.
const IPV6_FILE: &str = "/proc/net/if_inet6";

/// Looks for which a port is still its process's that no longer listens: services of a host are
/// started anew, and then come back.
const LINGERS: u32 = 10;

/// Ports by number and protocol.
pub type Ports = BTreeMap<(u16, Proto), Listener>;

/// Who made a socket, as far as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    user: u32,
    cgroup: u64,
}

/// A socket that has a port of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    port: u16,
    proto: Proto,
    address: IpAddr,
    cookie: [u8; 8],
    owner: Owner,
}

/// What the last look found.
#[derive(Debug, Default)]
pub struct Listening {
    socket: Option<NetlinkSocket>,
    ports: Ports,
    /// Who has let go of a port, and how many looks ago.
    gone: BTreeMap<(u16, Proto), (Listener, u32)>,
    /// Sockets on ports that the kernel may have chosen: who asks something from one and gets
    /// its answer is gone by the next look.
    met: BTreeSet<[u8; 8]>,
    failure: Option<String>,
}

impl Listening {
    /// The ports that are taken, as of the last look.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Why nobody knows what is taken now, if the last look failed.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Looks again; returns the ports about which something has changed.
    pub fn refresh(&mut self) -> BTreeSet<(u16, Proto)> {
        let bound = match self.read() {
            Ok(bound) => bound,
            Err(error) => {
                // The next look begins with another socket.
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

/// What the sockets come to. `met` are those that were there before, `chosen` the ports that the
/// kernel chooses from; `six`: the host speaks IPv6.
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
                // Whoever is not the engine is told of.
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

/// What is taken `now`, and what was `before` and may be again: a process that restarts must
/// find its port free, and no task may answer in between.
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
