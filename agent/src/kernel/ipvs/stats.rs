//! Traffic through this node: IPVS's own counters and its table of connections.

use super::ruleset;
use super::services::service_key;
use super::{IpvsError, observe};
use crate::kernel::clock::now;
use crate::kernel::{self, Traffic};
use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, FIN_IN, FIN_OUT, Flow, RESET, Tuple, ticks};
use lb_abi::service::Port;
use lb_abi::{Be16, Be32};
use lb_core::backend::ipvs::{Lowered, ServiceKey};
use lb_core::kernel::ObserveError;
use lb_core::model::ids::Key;
use lb_core::report::Counters;
use lb_core::report::build::FlowTable;
use lb_datapath::model::Memory;
use lb_netlink::ipvs::{Connection, DestNow, Ipvs, Protocol, Stats, Timeouts, connections};
use lb_netlink::socket::NetlinkSocket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The task or service that each destination and port belongs to, as of the last reconcile pass.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// Tasks by the address of their destination.
    tasks: BTreeMap<Ipv4Addr, Key>,
    /// Services by published port.
    services: BTreeMap<Port, Key>,
    /// swarmlb's virtual services.
    virtual_services: BTreeSet<ServiceKey>,
}

impl Owners {
    pub(super) fn put(&mut self, lowered: &Lowered) {
        self.tasks.clone_from(&lowered.tasks);
        self.services.clone_from(&lowered.services);
        self.virtual_services = lowered.state.services.keys().copied().collect();
    }

    fn task(&self, address: IpAddr) -> Option<Key> {
        match address {
            IpAddr::V4(address) => self.tasks.get(&address).copied(),
            IpAddr::V6(_) => None,
        }
    }
}

/// A writer that panicked would have taken the process along; the values are whole.
pub(super) fn lock(owners: &Mutex<Owners>) -> MutexGuard<'_, Owners> {
    owners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads IPVS's counters and connections.
pub struct IpvsStats {
    owners: Arc<Mutex<Owners>>,
}

impl IpvsStats {
    pub(super) fn new(owners: Arc<Mutex<Owners>>) -> Self {
        Self { owners }
    }

    fn traffic(&self) -> Result<Traffic, IpvsError> {
        let mut ipvs = Ipvs::open()?;
        let mut traffic = Traffic::default();
        for (service, whole) in ipvs.services()? {
            // What comes out of the tunnel was counted where it went in.
            let Some(ServiceKey::Address(address, port)) = service_key(&service.id) else {
                continue;
            };
            let owner = {
                let owners = lock(&self.owners);
                let ours = owners
                    .virtual_services
                    .contains(&ServiceKey::Address(address, port));
                owners.services.get(&port).copied().filter(|_| ours)
            };
            let Some(owner) = owner else { continue };
            let mut gone = counters(&whole);
            for (dest, now) in ipvs.dests(&service.id)? {
                if let Some(task) = lock(&self.owners).task(dest.address) {
                    let told = of_dest(port, &now);
                    gone = minus(&gone, &told);
                    add(traffic.tasks.entry(task).or_default(), &told);
                }
            }
            add(traffic.retired.entry(owner).or_default(), &gone);
        }
        Ok(traffic)
    }

    fn table(&self) -> Result<FlowTable, IpvsError> {
        let timeouts = Ipvs::open()?.timeouts()?;
        let now = now();
        let mut flows = BTreeMap::new();
        let owners = lock(&self.owners);
        for connection in connections()? {
            flows.extend(flow(&owners, &connection?, &timeouts, now));
        }
        Ok(FlowTable { now, flows })
    }
}

impl kernel::StatsReader for IpvsStats {
    fn read(&self) -> Result<Traffic, ObserveError> {
        self.traffic().map_err(|error| observe("counters", error))
    }

    fn flows(&self) -> Result<FlowTable, ObserveError> {
        self.table().map_err(|error| observe("connections", error))
    }

    fn map_snapshot(
        &self,
        _client: Ipv4Addr,
        _port: &Port,
    ) -> Result<Option<Memory>, ObserveError> {
        Ok(None)
    }

    fn drops(&self) -> Result<BTreeMap<Reason, u64>, ObserveError> {
        let failed = |error: IpvsError| observe("counters of rules", error);
        let mut rules = NetlinkSocket::open(NETLINK_NETFILTER)
            .map_err(|error| failed(IpvsError::NoRules(error)))?;
        let counts = ruleset::counts(&mut rules).map_err(|error| failed(error.into()))?;
        let drops = [
            (Reason::NotAllowed, "refused"),
            (Reason::BadToken, "bad token"),
            (Reason::BadTunnel, "stranger"),
            (Reason::BadTunnel, "forged"),
            (Reason::BadTunnel, "unasked"),
            (Reason::NotOurs, "agent called"),
            (Reason::UnknownTask, "unknown task"),
            (Reason::Spoofed, "spoofed"),
        ];
        let mut all = BTreeMap::new();
        for (reason, rule) in drops {
            let count = counts.get(rule).copied().unwrap_or(0);
            if count != 0 {
                *all.entry(reason).or_default() += count;
            }
        }
        Ok(all)
    }
}

/// A connection to one of our tasks.
fn flow(
    owners: &Owners,
    connection: &Connection,
    timeouts: &Timeouts,
    now: u32,
) -> Option<(Tuple, Flow)> {
    // Without a port it only remembers where a client belongs.
    let (SocketAddr::V4(client), SocketAddr::V4(target)) = (connection.client, connection.target)
    else {
        return None;
    };
    let proto = u8::try_from(connection.protocol.0).ok()?;
    let task = owners
        .task(connection.dest.ip())
        .filter(|_| client.port() != 0)?;
    let port = Port::new(Be16::new(target.port()), proto);
    let here = ServiceKey::Address(*target.ip(), port);
    // Out of the tunnel it bears the address of the node that the client came to.
    let peer = if owners.virtual_services.contains(&here) {
        Ipv4Addr::UNSPECIFIED
    } else if owners.services.contains_key(&port) {
        *target.ip()
    } else {
        return None;
    };
    let (state, lasts) = state(connection, timeouts);
    let idle = ticks(u64::from(lasts.saturating_sub(connection.expires)) * 1_000_000_000);
    let tuple = Tuple {
        source: Be32::new((*client.ip()).into()),
        destination: Be32::new((*target.ip()).into()),
        source_port: Be16::new(client.port()),
        destination_port: Be16::new(target.port()),
        proto,
        zero: [0; 3],
    };
    let flow = Flow {
        state,
        seen: now.saturating_sub(idle),
        ..Flow::new(task.0, Be32::new(peer.into()))
    };
    Some((tuple, flow))
}

/// How a connection stands, and how many seconds after its last packet it is forgotten in that
/// state (kernel: `tcp_timeouts` of net/netfilter/ipvs/ip_vs_proto_tcp.c).
fn state(connection: &Connection, timeouts: &Timeouts) -> (u32, u32) {
    if connection.protocol != Protocol::TCP {
        return (ANSWERED, timeouts.udp);
    }
    match connection.state.as_str() {
        "ESTABLISHED" => (ANSWERED, timeouts.tcp),
        "FIN_WAIT" => (ANSWERED | FIN_IN, timeouts.tcp_fin),
        "CLOSE_WAIT" => (ANSWERED | FIN_OUT, 60),
        "LAST_ACK" => (ANSWERED | FIN_IN | FIN_OUT, 30),
        "TIME_WAIT" => (ANSWERED | FIN_IN | FIN_OUT, 120),
        "CLOSE" => (ANSWERED | RESET, 10),
        "SYN_SENT" => (0, 120),
        _ => (0, 60),
    }
}

/// UDP has no state in which IPVS would call a connection active.
fn of_dest(port: Port, now: &DestNow) -> Counters {
    let idle = if port.proto == lb_abi::UDP {
        now.inactive
    } else {
        0
    };
    Counters {
        active: u64::from(now.active) + u64::from(idle),
        ..counters(&now.stats)
    }
}

fn counters(stats: &Stats) -> Counters {
    Counters {
        new: stats.connections,
        active: 0,
        packets_in: stats.packets_in,
        bytes_in: stats.bytes_in,
        packets_out: stats.packets_out,
        bytes_out: stats.bytes_out,
    }
}

fn add(sum: &mut Counters, more: &Counters) {
    sum.new += more.new;
    sum.active += more.active;
    sum.packets_in += more.packets_in;
    sum.bytes_in += more.bytes_in;
    sum.packets_out += more.packets_out;
    sum.bytes_out += more.bytes_out;
}

/// Counters of tasks that are gone: the whole without `part`. The two were not read at the same moment.
fn minus(whole: &Counters, part: &Counters) -> Counters {
    Counters {
        new: whole.new.saturating_sub(part.new),
        active: 0,
        packets_in: whole.packets_in.saturating_sub(part.packets_in),
        bytes_in: whole.bytes_in.saturating_sub(part.bytes_in),
        packets_out: whole.packets_out.saturating_sub(part.packets_out),
        bytes_out: whole.bytes_out.saturating_sub(part.bytes_out),
    }
}
