//! Routes and rules against the kernel, each test in a network namespace of its own. `ip` has to agree.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that calls them"
)]

mod namespace;

use lb_netlink::route::{Encap, Error, LO, Refused, Route, Routes, Rule, Selector};
use namespace::{inside, run};
use nix::errno::Errno;
use std::time::Instant;

/// Makes a tunnel; its index.
fn tunnel(routes: &mut Routes) -> u32 {
    routes.add_vxlan("swlb0", 4790, 1464).unwrap();
    routes.link("swlb0").unwrap().unwrap().index
}

fn encap(id: u64, to: [u8; 4]) -> Option<Encap> {
    let to = to.into();
    Some(Encap { id, to })
}

#[test]
fn routes_are_read_back_as_made() {
    inside(|mut routes| {
        let device = tunnel(&mut routes);
        let plain = Route::host([240, 0, 0, 1].into(), device, None);
        let into = Route::host(
            [248, 0, 0, 1].into(),
            device,
            encap(0x12_3456, [192, 0, 2, 7]),
        );
        let local = Route::all_local(5000, LO);
        let low = Route::all_local(200, LO);
        for route in [plain, into, local, low] {
            routes.add_route(&route).unwrap();
            let again = routes.add_route(&route).unwrap_err();
            assert_eq!(again.refused(), Some(Errno::EEXIST));
        }
        // Of others: they are not seen.
        run("ip route add 240.0.0.9/32 dev swlb0");
        assert_eq!(routes.routes().unwrap(), [low, plain, into, local]);
        let shown = run("ip route show table all proto 108");
        let mut lines: Vec<&str> = shown.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "240.0.0.1 dev swlb0 scope link",
                "248.0.0.1 encap ip id 1193046 src 0.0.0.0 dst 192.0.2.7 ttl 0 tos 0 dev swlb0 scope link",
                "local default dev lo table 200 scope host",
                "local default dev lo table 5000 scope host",
            ]
        );
        let other = Route::host([248, 0, 0, 1].into(), device, encap(5, [192, 0, 2, 8]));
        routes.replace_route(&other).unwrap();
        assert_eq!(routes.routes().unwrap(), [low, plain, other, local]);
        let error = routes.delete_route(&into).unwrap_err();
        assert_eq!(error.refused(), Some(Errno::ESRCH), "another encapsulation");
        for route in [plain, other, local, low] {
            routes.delete_route(&route).unwrap();
        }
        assert_eq!(routes.routes().unwrap(), []);
        assert_eq!(run("ip route show table all proto 108"), "");
        assert_eq!(run("ip route show"), "240.0.0.9 dev swlb0 scope link\n");
    });
}

#[test]
fn ip_takes_routes_as_they_are_shown() {
    inside(|mut routes| {
        let device = tunnel(&mut routes);
        let all = [
            Route::host([240, 0, 0, 1].into(), device, None),
            Route {
                metric: 12,
                ..Route::host([248, 0, 0, 1].into(), device, encap(77, [192, 0, 2, 7]))
            },
            Route::all_local(5000, LO),
        ];
        for route in &all {
            run(&format!("ip route add {route} proto 108"));
        }
        assert_eq!(routes.routes().unwrap(), all);
    });
}

#[test]
fn rules_are_read_back_as_made() {
    inside(|mut routes| {
        tunnel(&mut routes);
        let mark = |value, mask| Selector::Mark { value, mask };
        let rules = [
            (5000, Selector::Iif("swlb0".into())),
            (5001, mark(0x10, 0xff)),
            (5002, mark(7, u32::MAX)),
            (5003, mark(0, 1)),
        ]
        .map(|(preference, selector)| Rule {
            preference,
            selector,
            table: 5000,
        });
        for rule in &rules {
            routes.add_rule(rule).unwrap();
            let again = routes.add_rule(rule).unwrap_err();
            assert_eq!(again.refused(), Some(Errno::EEXIST));
        }
        run("ip rule add pref 4999 iif swlb0 lookup 5000");
        run("ip rule add pref 4998 from 10.0.0.0/8 iif swlb0 lookup 5000 proto 108");
        assert_eq!(routes.rules().unwrap(), rules);
        let shown = run("ip rule");
        for rule in &rules {
            assert!(
                shown.contains(&format!("{rule} proto 108\n")),
                "{rule}: {shown}"
            );
        }
        for rule in &rules {
            routes.delete_rule(rule).unwrap();
            let again = routes.delete_rule(rule).unwrap_err();
            assert_eq!(again.refused(), Some(Errno::ENOENT));
        }
        assert_eq!(routes.rules().unwrap(), []);
        assert!(run("ip rule").contains("4999: from all iif swlb0 lookup 5000\n"));
    });
}

#[test]
fn each_refusal_of_many_names_its_route() {
    inside(|mut routes| {
        let device = tunnel(&mut routes);
        let route = |n: u32, device| Route::host((0xf800_0000 + n).into(), device, None);
        // Every tenth has no device.
        let wanted: Vec<Route> = (0..1000)
            .map(|n| route(n, if n % 10 == 3 { 999 } else { device }))
            .collect();
        let Err(Error::Routes { of, refused, .. }) = routes.replace_many(&wanted) else {
            panic!("nothing was refused");
        };
        let lost = wanted.iter().filter(|route| route.device == 999);
        let lost: Vec<Refused> = lost
            .map(|route| Refused {
                route: *route,
                errno: Errno::ENODEV,
            })
            .collect();
        assert_eq!((of, refused), (1000, lost));
        let there = wanted.iter().filter(|route| route.device == device);
        assert!(there.eq(&routes.routes().unwrap()));
        let both = [route(0, device), route(3, device)];
        let error = routes.delete_many(&both).unwrap_err();
        assert!(error.only(&[Errno::ESRCH]), "{error}");
        assert!(!error.only(&[Errno::ENODEV]));
        assert_eq!(
            error.to_string(),
            format!("1 of 2 routes can't be deleted: 248.0.0.3 dev if{device}: No such process")
        );
        assert_eq!(routes.routes().unwrap().len(), 899);
    });
}

#[test]
#[expect(
    clippy::print_stderr,
    reason = "how long it takes is for people to judge"
)]
fn five_thousand_encapsulating_routes_are_read_back_as_made() {
    inside(|mut routes| {
        let device = tunnel(&mut routes);
        let all: Vec<Route> = (0..5000u32)
            .map(|n| {
                let to = 0xc000_0200 + n % 250;
                let encap = encap(u64::from(n), to.to_be_bytes());
                Route {
                    metric: 1 + n % 4096,
                    ..Route::host((0xf800_0000 + n).into(), device, encap)
                }
            })
            .collect();
        let mut before = Instant::now();
        let mut step = |what| {
            eprintln!("5,000 routes {what}: {:?}", before.elapsed());
            before = Instant::now();
        };
        routes.replace_many(&all).unwrap();
        step("added");
        assert!(routes.routes().unwrap() == all);
        step("read");
        routes.replace_many(&all).unwrap();
        step("replaced");
        routes.delete_many(&all).unwrap();
        step("deleted");
        assert_eq!(routes.routes().unwrap(), []);
    });
}
