//! The servers that were made while the kernel was listened to.

use crate::ipvs::{
    Dest, Family, Flags, Method, Name, Netmask, Protocol, Service, ServiceId, Tunnel, TunnelKind,
};
use std::net::Ipv4Addr;

pub(super) fn at(protocol: Protocol, address: &str, port: u16) -> ServiceId {
    ServiceId::Address {
        address: address.parse().unwrap(),
        protocol,
        port,
    }
}

pub(super) fn v4(protocol: Protocol, port: u16) -> ServiceId {
    at(protocol, "10.1.2.3", port)
}

pub(super) fn mark(mark: u32, family: Family) -> ServiceId {
    ServiceId::Mark { mark, family }
}

/// Those that were made, in the order of the kernel's list.
pub(super) fn services() -> Vec<(&'static str, Service)> {
    let service = Service::new;
    let rr = Name::ROUND_ROBIN;
    let hash = Flags::SCHEDULER_1 | Flags::SCHEDULER_2;
    vec![
        (
            "--sctp-service 10.1.2.3:85 -s rr",
            service(v4(Protocol::SCTP, 85), rr.clone()),
        ),
        (
            "-u 10.1.2.3:5060 -s rr -p 60 --pe sip",
            Service {
                flags: Flags::PERSISTENT,
                timeout: 60,
                engine: Name::new("sip"),
                ..service(v4(Protocol::UDP, 5060), rr.clone())
            },
        ),
        (
            "-t 10.1.2.3:81 -s rr -p 600 -M 255.255.255.0",
            Service {
                flags: Flags::PERSISTENT,
                timeout: 600,
                netmask: Netmask::V4(Ipv4Addr::new(255, 255, 255, 0)),
                ..service(v4(Protocol::TCP, 81), rr.clone())
            },
        ),
        (
            "-t 10.1.2.3:80 -s rr",
            service(v4(Protocol::TCP, 80), rr.clone()),
        ),
        (
            "-t 10.1.2.3:83 -s mh -b mh-fallback,mh-port",
            Service {
                flags: hash,
                ..service(v4(Protocol::TCP, 83), Name::MAGLEV)
            },
        ),
        (
            "-t 10.1.2.3:82 -s sh -b sh-fallback,sh-port",
            Service {
                flags: hash,
                ..service(v4(Protocol::TCP, 82), Name::SOURCE_HASH)
            },
        ),
        (
            "-u 10.1.2.3:84 -s rr -o",
            Service {
                flags: Flags::ONE_PACKET,
                ..service(v4(Protocol::UDP, 84), rr.clone())
            },
        ),
        (
            "-t [2001:db8::1]:444 -s rr -p 90 -M 64",
            Service {
                flags: Flags::PERSISTENT,
                timeout: 90,
                netmask: Netmask::V6(64),
                ..service(at(Protocol::TCP, "2001:db8::1", 444), rr.clone())
            },
        ),
        (
            "-t [2001:db8::1]:443 -s rr",
            service(at(Protocol::TCP, "2001:db8::1", 443), rr.clone()),
        ),
        (
            "-u 10.1.2.3:53 -s lc",
            service(v4(Protocol::UDP, 53), Name::LEAST_CONNECTIONS),
        ),
        ("-f 5 -s rr", service(mark(5, Family::V4), rr)),
        (
            "-f 6 -6 -s wrr",
            service(mark(6, Family::V6), Name::WEIGHTED_ROUND_ROBIN),
        ),
    ]
}

pub(super) fn ipip() -> Method {
    Method::Tunnel(Tunnel::default())
}

pub(super) fn dest(address: &str, port: u16, method: Method, weight: u32) -> Dest {
    Dest::new(address.parse().unwrap(), port, method, weight)
}

/// Those that were added, by virtual service, each in the order of the kernel's list.
pub(super) fn dests() -> Vec<(ServiceId, Vec<(&'static str, Dest)>)> {
    let gue = |flags| {
        Method::Tunnel(Tunnel {
            kind: TunnelKind::GUE,
            port: 6080,
            flags,
        })
    };
    let gre = Method::Tunnel(Tunnel {
        kind: TunnelKind::GRE,
        port: 0,
        flags: 1,
    });
    vec![
        (
            v4(Protocol::TCP, 80),
            vec![
                (
                    "-t 10.1.2.3:80 -r [2001:db8:9::2]:80 -i -w 1",
                    dest("2001:db8:9::2", 80, ipip(), 1),
                ),
                (
                    "-t 10.1.2.3:80 -r 10.9.0.6:80 -i -w 1 --tun-type gre --tun-csum",
                    dest("10.9.0.6", 80, gre, 1),
                ),
                (
                    "-t 10.1.2.3:80 -r 10.9.0.5:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
                    dest("10.9.0.5", 80, gue(2), 1),
                ),
                (
                    "-t 10.1.2.3:80 -r 10.9.0.4:80 -i -w 1 --tun-type gue --tun-port 6080",
                    dest("10.9.0.4", 80, gue(0), 1),
                ),
                (
                    "-t 10.1.2.3:80 -r 10.9.0.3:80 -i -w 1",
                    dest("10.9.0.3", 80, ipip(), 1),
                ),
                (
                    "-t 10.1.2.3:80 -r 10.9.0.2:80 -g -w 1",
                    dest("10.9.0.2", 80, Method::Route, 1),
                ),
                (
                    "-t 10.1.2.3:80 -r 10.9.0.1:8080 -m -w 3",
                    dest("10.9.0.1", 8080, Method::Masq, 3),
                ),
            ],
        ),
        (
            v4(Protocol::TCP, 81),
            vec![(
                "-t 10.1.2.3:81 -r 10.9.0.7:81 -m -w 1",
                dest("10.9.0.7", 81, Method::Masq, 1),
            )],
        ),
        (
            at(Protocol::TCP, "2001:db8::1", 443),
            vec![(
                "-t [2001:db8::1]:443 -r [2001:db8:9::1]:443 -m -w 2",
                dest("2001:db8:9::1", 443, Method::Masq, 2),
            )],
        ),
        (
            mark(5, Family::V4),
            vec![(
                "-f 5 -r 10.9.0.7:0 -m -w 1",
                dest("10.9.0.7", 0, Method::Masq, 1),
            )],
        ),
    ]
}
