//! IPVS as the kernel has it, in a network namespace of each test's own. Needs root, and a
//! kernel with IPVS: `cargo test` leaves it out therefore, and the suite `vm` runs it in a guest.
//! `cargo test -p lb-netlink --test ipvs` runs it here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test that calls them"
)]

mod namespace;
mod servers;

use lb_netlink::ipvs::{
    Dest, Error, Family, Flags, Info, Ipvs, Method, Name, Protocol, Service, Stats, Timeouts,
    connections,
};
use namespace::{assert_printed, beside_others, ip, with_ipvs};
use nix::errno::Errno;
use servers::{at, by_name, dest, every_kind, gue, have, make, mark, web};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

#[test]
fn servers_of_every_kind_are_there_as_they_were_made() {
    with_ipvs(|ipvs| {
        make(ipvs, &every_kind());
        let have = have(ipvs);
        assert_eq!(have, by_name(every_kind()));
        assert_printed(&have);
    });
}

#[test]
fn servers_change_and_go_and_nobody_elses_do() {
    with_ipvs(|ipvs| {
        // Somebody else's, with what we'd never use.
        let foreign = Service::new(at(Protocol::TCP, "10.1.2.4", 80), Name::new("wrr").unwrap());
        let theirs = (foreign, vec![dest("10.9.0.9", 80, gue(), 5)]);
        let (service, dests) = every_kind().remove(0);
        make(ipvs, &[theirs.clone(), (service.clone(), dests.clone())]);

        let changed = Service {
            scheduler: Name::MAGLEV,
            flags: Flags::PERSISTENT | Flags::SCHEDULER_1,
            timeout: 30,
            ..service
        };
        ipvs.set_service(&changed).unwrap();
        let drained = Dest {
            weight: 0,
            ..dests[0]
        };
        ipvs.set_dest(&changed.id, &drained).unwrap();
        for gone in &dests[1..] {
            ipvs.del_dest(&changed.id, gone).unwrap();
        }
        assert_eq!(
            have(ipvs),
            by_name(vec![theirs.clone(), (changed.clone(), vec![drained])])
        );
        ipvs.del_service(&changed.id).unwrap();
        assert_eq!(have(ipvs), by_name(vec![theirs]));
    });
}

#[test]
fn a_service_of_each_family_may_have_the_same_mark() {
    with_ipvs(|ipvs| {
        for family in [Family::V4, Family::V6] {
            let service = Service::new(mark(family), Name::ROUND_ROBIN);
            ipvs.add_service(&service).unwrap();
        }
        ipvs.del_service(&mark(Family::V4)).unwrap();
        let left: Vec<_> = have(ipvs).into_keys().collect();
        assert_eq!(left, [mark(Family::V6)]);
    });
}

#[test]
fn a_thousand_servers_are_listed() {
    with_ipvs(|ipvs| {
        let port = |port| at(Protocol::TCP, "10.1.2.3", port);
        let weight = |port: u16| dest("10.9.0.1", port, Method::Masq, u32::from(port));
        for number in 1..=1000 {
            let service = Service::new(port(number), Name::ROUND_ROBIN);
            ipvs.add_service(&service).unwrap();
            ipvs.add_dest(&port(1), &weight(number)).unwrap();
        }
        assert_eq!(ipvs.services().unwrap().len(), 1000);
        let dests = ipvs.dests(&port(1)).unwrap();
        let expected: Vec<_> = (1..=1000).rev().map(weight).collect();
        assert_eq!(
            dests.into_iter().map(|(dest, _)| dest).collect::<Vec<_>>(),
            expected
        );
    });
}

#[test]
fn no_server_is_hidden_by_what_happens_in_other_namespaces() {
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let elsewhere = thread::spawn(move || {
        beside_others(move |ipvs| {
            let service = |port| {
                let id = at(Protocol::TCP, "10.1.2.4", port);
                Service::new(id, Name::ROUND_ROBIN)
            };
            while !seen.load(Ordering::Relaxed) {
                (1..50).for_each(|port| ipvs.add_service(&service(port)).unwrap());
                sleep(Duration::from_millis(5));
                (1..50).for_each(|port| ipvs.del_service(&service(port).id).unwrap());
                sleep(Duration::from_millis(5));
            }
        });
    });
    let ended = Arc::clone(&over);
    with_ipvs(move |ipvs| {
        for port in 1..=400 {
            let id = at(Protocol::TCP, "10.1.2.3", port);
            ipvs.add_service(&Service::new(id, Name::ROUND_ROBIN))
                .unwrap();
        }
        for _ in 0..20 {
            assert_eq!(ipvs.services().unwrap().len(), 400);
        }
        ended.store(true, Ordering::Relaxed);
    });
    over.store(true, Ordering::Relaxed);
    elsewhere.join().unwrap();
}

#[test]
fn what_the_kernel_refuses_is_told_with_the_server() {
    with_ipvs(|ipvs| {
        let service = Service::new(web(), Name::ROUND_ROBIN);
        let one = dest("10.9.0.1", 8080, Method::Masq, 1);
        let absent = ipvs.set_service(&service).unwrap_err();
        assert_eq!(absent.refused(), Some(Errno::ESRCH));
        assert!(absent.to_string().contains("TCP  10.1.2.3:80"), "{absent}");
        let refused = |result: Result<(), Error>| result.unwrap_err().refused();
        assert_eq!(refused(ipvs.del_service(&web())), Some(Errno::ESRCH));
        assert_eq!(refused(ipvs.add_dest(&web(), &one)), Some(Errno::ESRCH));
        assert_eq!(ipvs.dests(&web()).unwrap(), []);
        assert_eq!(ipvs.service(&web()).unwrap(), None);

        ipvs.add_service(&service).unwrap();
        let told = ipvs.service(&web()).unwrap();
        assert_eq!(told, Some((service.clone(), Stats::default())));
        assert_eq!(refused(ipvs.add_service(&service)), Some(Errno::EEXIST));
        assert_eq!(refused(ipvs.set_dest(&web(), &one)), Some(Errno::ENOENT));
        assert_eq!(refused(ipvs.del_dest(&web(), &one)), Some(Errno::ENOENT));
        ipvs.add_dest(&web(), &one).unwrap();
        assert_eq!(refused(ipvs.add_dest(&web(), &one)), Some(Errno::EEXIST));
        let six = dest("2001:db8::1", 80, Method::Masq, 1);
        assert_eq!(refused(ipvs.add_dest(&web(), &six)), Some(Errno::EINVAL));
        let nosuch = Service {
            scheduler: Name::new("nosuch").unwrap(),
            ..service
        };
        assert_eq!(refused(ipvs.set_service(&nosuch)), Some(Errno::ENOENT));
    });
}

#[test]
fn version_and_timeouts_are_told_and_zero_leaves_a_timeout_alone() {
    with_ipvs(|ipvs| {
        let Info { version, .. } = ipvs.info().unwrap();
        assert_eq!(version, (1, 2, 1));
        let before = ipvs.timeouts().unwrap();
        ipvs.set_timeouts(Timeouts {
            tcp: 86_400,
            tcp_fin: 0,
            udp: 60,
        })
        .unwrap();
        let after = Timeouts {
            tcp: 86_400,
            udp: 60,
            ..before
        };
        assert_eq!(ipvs.timeouts().unwrap(), after);
    });
}

#[test]
fn a_connection_is_listed_and_counted() {
    with_ipvs(|ipvs| {
        for address in ["10.1.2.3", "10.9.0.1"] {
            ip(&format!("address add {address}/32 dev lo"));
        }
        make(ipvs, &[every_kind().remove(0)]);
        for (dest, _) in ipvs.dests(&web()).unwrap() {
            if dest.method != Method::Masq {
                ipvs.del_dest(&web(), &dest).unwrap();
            }
        }
        let server = TcpListener::bind(("10.9.0.1", 8080)).unwrap();
        let mut client = TcpStream::connect(("10.1.2.3", 80)).unwrap();
        let (mut served, _) = server.accept().unwrap();
        client.write_all(b"hello").unwrap();
        served.read_exact(&mut [0; 5]).unwrap();

        let all: Vec<_> = connections().unwrap().map(Result::unwrap).collect();
        let [one] = &all[..] else {
            panic!("not one connection: {all:?}");
        };
        assert_eq!(one.protocol, Protocol::TCP);
        assert_eq!(one.client, client.local_addr().unwrap());
        assert_eq!(one.target, ([10, 1, 2, 3], 80).into());
        assert_eq!(one.dest, ([10, 9, 0, 1], 8080).into());
        assert_eq!(one.state, "ESTABLISHED");
        assert!((1..=900).contains(&one.expires), "{one:?}");

        let [(dest, now)] = ipvs.dests(&web()).unwrap()[..] else {
            panic!("not one destination");
        };
        assert_eq!(dest.address, IpAddr::from([10, 9, 0, 1]));
        assert_eq!((now.active, now.inactive, now.persistent), (1, 0, 0));
        let stats = counted(ipvs, |stats| stats.packets_in > 2);
        assert_eq!(stats.connections, 1);
        // A SYN, an ACK and the data; of IP and TCP there are 40 bytes each.
        assert!(stats.bytes_in >= 125, "{stats:?}");
        assert!(stats.packets_out >= 2, "{stats:?}");
        let (_, now) = ipvs.dests(&web()).unwrap()[0];
        assert_eq!(now.stats.connections, 1);
    });
}

/// What the one virtual service counted, once that is enough: the kernel adds it up now and then.
fn counted(ipvs: &mut Ipvs, enough: impl Fn(&Stats) -> bool) -> Stats {
    let begin = Instant::now();
    loop {
        let (_, stats) = ipvs.services().unwrap().remove(0);
        if enough(&stats) {
            return stats;
        }
        assert!(begin.elapsed() < Duration::from_secs(15), "{stats:?}");
        sleep(Duration::from_millis(100));
    }
}
