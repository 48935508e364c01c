//! MTUs of the paths to other nodes, as the kernel knows them: by the routes' metric `mtu`, by the devices that the routes
//! name, and by what it has learned from routers about its own sockets' packets.
//!
//! The kernel is asked for the route to one node after the other (`RTM_GETROUTE`), and not for its whole tables, which a routing
//! daemon may fill; nor are there news of what it learns.

use lb_datapath::path_mtu::LEAST;
use lb_netlink::socket::{Error, NetlinkSocket};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::Bound;

/// Limit on nodes whose routes are asked for at a time. More are asked for in turns.
const AT_ONCE: usize = 64;

/// The routes to other nodes, as they were read last.
#[derive(Debug, Default)]
pub struct PathMtus {
    socket: Option<NetlinkSocket>,
    /// This node's address towards other nodes.
    source: Option<Ipv4Addr>,
    /// Other nodes; without a route where none is known.
    paths: BTreeMap<Ipv4Addr, Option<Path>>,
    /// The node that was asked for last.
    last: Option<Ipv4Addr>,
}

/// A route to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Path {
    /// Index of the device.
    device: u32,
    /// The MTU that the kernel has for this path, in bytes, if that is not the device's.
    mtu: Option<u32>,
}

impl PathMtus {
    /// From now on it is about the paths from `source` to `peers`.
    pub fn follow(&mut self, source: Option<Ipv4Addr>, peers: &BTreeSet<Ipv4Addr>) {
        if self.source != source {
            self.paths.clear();
        }
        self.source = source;
        self.paths.retain(|peer, _| peers.contains(peer));
        for peer in peers {
            self.paths.entry(*peer).or_insert(None);
        }
    }

    /// Reads some of the routes again, whose turn it is. Returns whether any has changed.
    pub fn refresh(&mut self) -> bool {
        let Some(source) = self.source else {
            return false;
        };
        match self.read(source) {
            Ok(changed) => changed,
            Err(error) => {
                // The next reading opens another socket.
                self.socket = None;
                let error = crate::error_chain::error_chain(&error);
                tracing::debug!(error, "routes to other nodes not read");
                false
            }
        }
    }

    fn read(&mut self, source: Ipv4Addr) -> Result<bool, Error> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(NetlinkSocket::open(NETLINK_ROUTE)?),
        };
        let mut changed = false;
        for peer in turns(&self.paths, self.last) {
            let path = ask(socket, source, peer)?;
            self.last = Some(peer);
            changed |= self.paths.insert(peer, path) != Some(path);
        }
        Ok(changed)
    }

    /// MTUs of the paths, in bytes, where they are less than that of the uplink. `devices` has those of all devices, by
    /// index.
    #[must_use]
    pub fn less_than(&self, uplink: u32, devices: &BTreeMap<u32, u32>) -> BTreeMap<Ipv4Addr, u32> {
        let mtu = |path: &Path| {
            let device = devices.get(&path.device).copied();
            device.into_iter().chain(path.mtu).min()
        };
        let paths = self.paths.iter();
        paths
            .filter_map(|(peer, path)| Some((*peer, mtu(path.as_ref()?)?)))
            .filter(|(_, mtu)| *mtu < uplink)
            .collect()
    }
}

/// The nodes whose turn it is after `last`.
fn turns(paths: &BTreeMap<Ipv4Addr, Option<Path>>, last: Option<Ipv4Addr>) -> Vec<Ipv4Addr> {
    let after = last.map_or(Bound::Unbounded, Bound::Excluded);
    let later = paths.range((after, Bound::Unbounded));
    let peers = later.chain(paths).map(|(peer, _)| *peer);
    peers.take(AT_ONCE.min(paths.len())).collect()
}

/// The kernel's route from `source` to `peer`, if it has one.
fn ask(
    socket: &mut NetlinkSocket,
    source: Ipv4Addr,
    peer: Ipv4Addr,
) -> Result<Option<Path>, Error> {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    question.header.destination_prefix_length = 32;
    question.header.source_prefix_length = 32;
    question.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet(peer)),
        RouteAttribute::Source(RouteAddress::Inet(source)),
    ];
    match socket.request(RouteNetlinkMessage::GetRoute(question), 0) {
        Ok(told) => Ok(told.iter().find_map(path)),
        // There is none, or the address has just gone.
        Err(Error::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn path(message: &RouteNetlinkMessage) -> Option<Path> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    let (mut device, mut mtu, mut learned) = (None, None, false);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => device = Some(*index),
            RouteAttribute::Metrics(metrics) => mtu = metrics.iter().find_map(bytes),
            RouteAttribute::CacheInfo(info) => learned = info.expires != 0,
            _ => {}
        }
    }
    Some(Path {
        device: device?,
        // What a router said to a socket may be forged, and what an operator says is meant.
        mtu: mtu.map(|mtu| if learned { mtu.max(LEAST) } else { mtu }),
    })
}

fn bytes(metric: &RouteMetric) -> Option<u32> {
    match metric {
        RouteMetric::Mtu(bytes) => Some(*bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::tests::in_namespace;
    use std::process::Command;

    const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 5);
    const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
    const NOWHERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);

    fn ip(args: &str) {
        let done = Command::new("ip").args(args.split(' ')).status().unwrap();
        assert!(done.success(), "ip {args}");
    }

    #[test]
    fn the_mtu_of_a_route_and_of_its_device_is_read() {
        in_namespace("path MTUs", async |net| {
            net.address("up0", OWN.octets()).await;
            let index = nix::net::if_::if_nametoindex("up0").unwrap();
            let mut paths = PathMtus::default();
            assert!(!paths.refresh(), "about no node yet");
            paths.follow(Some(OWN), &[PEER, NOWHERE].into());
            assert!(paths.refresh());
            assert!(!paths.refresh(), "as before");
            let found = |paths: &PathMtus, device| {
                paths
                    .less_than(1500, &[(index, device)].into())
                    .into_iter()
                    .collect::<Vec<_>>()
            };
            assert_eq!(found(&paths, 1500), vec![]);
            assert_eq!(found(&paths, 1480), [(PEER, 1480)]);

            ip("route replace 192.0.2.9 dev up0 mtu 1100");
            assert!(paths.refresh());
            assert_eq!(
                found(&paths, 1500),
                [(PEER, 1100)],
                "what an operator says is meant"
            );
            assert_eq!(found(&paths, 1000), [(PEER, 1000)]);
            paths.follow(Some(OWN), &[NOWHERE].into());
            assert_eq!(found(&paths, 1500), vec![]);
        });
    }

    /// A route as the kernel tells it.
    fn told(mtu: u32, expires: u32) -> Option<Path> {
        let mut route = RouteMessage::default();
        // No constructor is public: the bytes of `struct rta_cacheinfo`.
        let mut cache = [0; 32];
        cache[8..12].copy_from_slice(&expires.to_ne_bytes());
        route.attributes = vec![
            RouteAttribute::Oif(2),
            RouteAttribute::Metrics(vec![RouteMetric::Hoplimit(9), RouteMetric::Mtu(mtu)]),
            RouteAttribute::CacheInfo(
                netlink_packet_route::route::RouteCacheInfo::parse(&cache).unwrap(),
            ),
        ];
        path(&RouteNetlinkMessage::NewRoute(route))
    }

    #[test]
    fn what_the_kernel_has_learned_is_believed_down_to_the_least() {
        let mtu = |mtu, expires| told(mtu, expires).unwrap().mtu;
        assert_eq!(mtu(552, 59_000), Some(LEAST));
        assert_eq!(mtu(1_400, 59_000), Some(1_400));
        assert_eq!(mtu(552, 0), Some(552));
    }

    #[test]
    fn of_many_nodes_each_has_its_turn() {
        let nodes = (1..=150u32).map(|n| (Ipv4Addr::from(n), None)).collect();
        let mut asked = BTreeSet::new();
        let mut last = None;
        for _ in 0..3 {
            let turn = turns(&nodes, last);
            assert_eq!(turn.len(), AT_ONCE);
            last = turn.last().copied();
            asked.extend(turn);
        }
        assert_eq!(asked.len(), 150);
        let few = nodes.into_iter().take(2).collect();
        assert_eq!(
            turns(&few, Some(Ipv4Addr::from(1u32))),
            [2u32, 1].map(Ipv4Addr::from)
        );
    }
}
