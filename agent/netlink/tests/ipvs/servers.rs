//! Servers of every kind, and what the kernel has of them.

use lb_netlink::ipvs::{
    Dest, Family, Flags, Ipvs, Method, Name, Netmask, Protocol, Service, ServiceId, Tunnel,
    TunnelKind,
};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub(super) fn at(protocol: Protocol, address: &str, port: u16) -> ServiceId {
    ServiceId::Address {
        address: address.parse().unwrap(),
        protocol,
        port,
    }
}

pub(super) fn web() -> ServiceId {
    at(Protocol::TCP, "10.1.2.3", 80)
}

pub(super) fn mark(family: Family) -> ServiceId {
    ServiceId::Mark { mark: 7, family }
}

pub(super) fn dest(address: &str, port: u16, method: Method, weight: u32) -> Dest {
    Dest::new(address.parse().unwrap(), port, method, weight)
}

pub(super) fn gue() -> Method {
    Method::Tunnel(Tunnel {
        kind: TunnelKind::GUE,
        port: 6080,
        flags: 1,
    })
}

/// Virtual services of every kind, with destinations of every kind.
pub(super) fn every_kind() -> Vec<(Service, Vec<Dest>)> {
    let ipip = Method::Tunnel(Tunnel::default());
    let rr = Name::ROUND_ROBIN;
    let plain = Service::new;
    vec![
        (
            plain(web(), rr.clone()),
            vec![
                dest("10.9.0.1", 8080, Method::Masq, 3),
                dest("10.9.0.2", 80, Method::Route, 1),
                dest("10.9.0.3", 80, ipip, 1),
                dest("10.9.0.4", 80, gue(), 0),
                dest("2001:db8:9::1", 80, ipip, 1),
                Dest {
                    upper: 100,
                    lower: 50,
                    ..dest("10.9.0.5", 80, Method::Bypass, 65_535)
                },
                dest("10.9.0.6", 80, Method::Local, 1),
            ],
        ),
        (
            Service {
                flags: Flags::PERSISTENT,
                timeout: 600,
                netmask: Netmask::V4(Ipv4Addr::new(255, 255, 255, 0)),
                ..plain(at(Protocol::TCP, "10.1.2.3", 0), Name::LEAST_CONNECTIONS)
            },
            vec![dest("10.9.0.1", 0, Method::Masq, 1)],
        ),
        (
            Service {
                flags: Flags::ONE_PACKET,
                ..plain(at(Protocol::UDP, "10.1.2.3", 53), rr.clone())
            },
            vec![],
        ),
        (
            Service {
                flags: Flags::SCHEDULER_1 | Flags::SCHEDULER_2,
                ..plain(at(Protocol::SCTP, "10.1.2.3", 80), Name::SOURCE_HASH)
            },
            vec![],
        ),
        (
            Service {
                flags: Flags::PERSISTENT | Flags::SCHEDULER_2,
                timeout: 90,
                netmask: Netmask::V6(64),
                ..plain(at(Protocol::TCP, "2001:db8::1", 443), Name::MAGLEV)
            },
            vec![dest("2001:db8:9::1", 8443, Method::Masq, 2)],
        ),
        (
            plain(mark(Family::V4), rr.clone()),
            vec![dest("10.9.0.1", 8080, Method::Masq, 1)],
        ),
        (
            plain(mark(Family::V6), rr),
            vec![dest("2001:db8:9::1", 0, Method::Route, 1)],
        ),
    ]
}

pub(super) fn make(ipvs: &mut Ipvs, servers: &[(Service, Vec<Dest>)]) {
    for (service, dests) in servers {
        ipvs.add_service(service).unwrap();
        for dest in dests {
            ipvs.add_dest(&service.id, dest).unwrap();
        }
    }
}

/// What there is, by name; destinations as the kernel lists them.
pub(super) fn have(ipvs: &mut Ipvs) -> BTreeMap<ServiceId, (Service, Vec<Dest>)> {
    let services = ipvs.services().unwrap();
    let mut all = BTreeMap::new();
    for (service, _) in services {
        let dests = ipvs.dests(&service.id).unwrap();
        let dests = dests.into_iter().map(|(dest, _)| dest).collect();
        all.insert(service.id, (service, dests));
    }
    all
}

pub(super) fn by_name(
    servers: Vec<(Service, Vec<Dest>)>,
) -> BTreeMap<ServiceId, (Service, Vec<Dest>)> {
    let entry = |(service, mut dests): (Service, Vec<Dest>)| {
        dests.reverse();
        (service.id, (service, dests))
    };
    servers.into_iter().map(entry).collect()
}
