//! The datapath's devices, routes and rules against the kernel, each test in a network namespace of its own.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that calls them"
)]

#[path = "../netlink/tests/namespace/mod.rs"]
mod namespace;

use agent::kernel::ipvs::routes::{
    Drift, Error, Hairpin, Monitor, Orphan, RouteHandle, RouteState, Tunnel,
};
use lb_core::backend::ipvs::EncapRoute;
use lb_core::backend::ipvs::ids::{HAIRPIN_IN, HAIRPIN_OUT, TUNNEL};
use lb_netlink::route::{Route, Routes, Setting};
use namespace::{inside, run};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

const PORT: u16 = 4790;

fn encaps(count: u32) -> BTreeMap<Ipv4Addr, EncapRoute> {
    (0..count)
        .map(|n| {
            let node = Ipv4Addr::new(192, 0, 2, 7);
            (
                (0xf800_0000 + n).into(),
                EncapRoute {
                    id: n + 1,
                    node,
                    source: None,
                },
            )
        })
        .collect()
}

fn wanted() -> RouteState {
    RouteState {
        tunnel: Some(Tunnel::over(1500, PORT)),
        hairpin: Some(Hairpin::new(1500)),
        encaps: encaps(300),
        orphans: BTreeSet::new(),
    }
}

fn make(handle: &mut RouteHandle, state: &RouteState) {
    handle.make_tunnel(state.tunnel.as_ref().unwrap()).unwrap();
    handle
        .make_hairpin(state.hairpin.as_ref().unwrap())
        .unwrap();
    handle.put_encaps(&state.encaps).unwrap();
}

fn indices(routes: &mut Routes) -> Vec<u32> {
    let links = routes.links().unwrap();
    links.into_iter().map(|link| link.index).collect()
}

#[test]
fn routes_are_observed_as_made_and_leave_nothing() {
    inside(|mut routes| {
        let before = (
            run("ip -d link"),
            run("ip rule"),
            run("ip route show table all"),
        );
        let mut handle = RouteHandle::open().unwrap();
        assert_eq!(handle.observe().unwrap(), RouteState::default());
        make(&mut handle, &wanted());
        assert_eq!(handle.observe().unwrap(), wanted());
        assert_eq!(routes.link(TUNNEL).unwrap().unwrap().mtu, 1464);
        for rule in [
            "5000: from all iif swlb0 lookup 5000 proto 108\n",
            "5001: from all fwmark 0x50000000/0xfc000000 lookup 5001 proto 108\n",
        ] {
            let shown = run("ip rule");
            assert!(shown.contains(rule), "{rule}: {shown}");
        }
        let shown = run("ip route show table all proto 108");
        for line in [
            "local default dev lo table 5000 scope host\n",
            "default dev swlb0 table 5001 scope link\n",
            "240.0.0.1 dev swlb-out scope link\n",
            "240.1.0.0/16 dev swlb-in scope link\n",
            "248.0.1.2 encap ip id 259 src 0.0.0.0 dst 192.0.2.7 ttl 0 tos 0 dev swlb0 scope link metric 259\n",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        assert_eq!(shown.lines().count(), 304);
        for (name, setting, value) in [
            (TUNNEL, "rp_filter", "0"),
            (TUNNEL, "accept_local", "1"),
            (TUNNEL, "src_valid_mark", "1"),
            (HAIRPIN_OUT, "route_localnet", "1"),
            (HAIRPIN_IN, "forwarding", "1"),
        ] {
            let shown = run(&format!("sysctl -n net.ipv4.conf.{name}.{setting}"));
            assert_eq!(shown.trim(), value, "{name} {setting}");
        }

        // Again: nothing changes, nothing is made anew.
        let there = indices(&mut routes);
        make(&mut handle, &wanted());
        assert_eq!(handle.observe().unwrap(), wanted());
        assert_eq!(indices(&mut routes), there);

        for _ in 0..2 {
            handle.remove_all().unwrap();
            assert_eq!(handle.observe().unwrap(), RouteState::default());
        }
        let after = (
            run("ip -d link"),
            run("ip rule"),
            run("ip route show table all"),
        );
        assert_eq!(after, before);
    });
}

#[test]
fn parts_go_by_themselves() {
    inside(|_| {
        let mut handle = RouteHandle::open().unwrap();
        let mut state = wanted();
        make(&mut handle, &state);
        let some: BTreeSet<Ipv4Addr> = state.encaps.keys().step_by(3).copied().collect();
        for _ in 0..2 {
            handle.remove_encaps(&some).unwrap();
            state
                .encaps
                .retain(|route_address, _| !some.contains(route_address));
            assert_eq!(handle.observe().unwrap(), state);
        }
        for _ in 0..2 {
            handle.remove_hairpin().unwrap();
            state.hairpin = None;
            assert_eq!(handle.observe().unwrap(), state);
        }
        for _ in 0..2 {
            handle.remove_tunnel().unwrap();
            assert_eq!(handle.observe().unwrap(), RouteState::default());
        }
        handle.remove_encaps(&some).unwrap();
        let error = handle.put_encaps(&encaps(1)).unwrap_err();
        assert_eq!(error.to_string(), "there is no device swlb0");
    });
}

#[test]
fn a_route_may_lead_elsewhere_later() {
    inside(|_| {
        let mut handle = RouteHandle::open().unwrap();
        make(&mut handle, &wanted());
        let mut state = wanted();
        for encap in state.encaps.values_mut().take(10) {
            encap.id = 0xff_ffff;
            encap.node = Ipv4Addr::new(192, 0, 2, 9);
        }
        handle.put_encaps(&state.encaps).unwrap();
        assert_eq!(handle.observe().unwrap(), state);
        let mut long = state.encaps.clone();
        long.values_mut().last().unwrap().id = 0x100_0000;
        let error = handle.put_encaps(&long).unwrap_err();
        assert!(
            matches!(error, Error::Tag { id: 0x100_0000, .. }),
            "{error}"
        );
        assert_eq!(handle.observe().unwrap(), state);
    });
}

#[test]
fn what_others_change_is_seen_and_put_right() {
    inside(|_| {
        let mut handle = RouteHandle::open().unwrap();
        make(&mut handle, &wanted());
        let harm = [
            "sysctl -q net.ipv4.conf.swlb0.rp_filter=2",
            "sysctl -q net.ipv4.conf.swlb-out.route_localnet=0",
            "ip link set swlb0 mtu 1300",
            "ip link set swlb0 down",
            "ip link set swlb-in down",
            "ip link set swlb-out mtu 1300",
            "ip link set swlb-in arp on",
            "ip link del swlb-out",
            "ip link del swlb0",
            "ip rule del pref 5000",
            "ip rule del pref 5001",
            "ip route del local default table 5000",
            "ip route del default table 5001",
            "ip route del 240.1.0.0/16",
            "ip route del 248.0.0.7",
            "ip route replace 248.0.0.7/32 encap ip id 9 dst 192.0.2.1 dev swlb0 proto 108 metric 8",
        ];
        for line in harm {
            run(line);
            assert_ne!(handle.observe().unwrap(), wanted(), "{line}");
            make(&mut handle, &wanted());
            assert_eq!(handle.observe().unwrap(), wanted(), "{line}");
        }
    });
}

#[test]
fn drift_says_what_is_wrong() {
    inside(|_| {
        let mut handle = RouteHandle::open().unwrap();
        make(&mut handle, &wanted());
        run("sysctl -q net.ipv4.conf.swlb0.rp_filter=2");
        run("ip rule del pref 5000");
        let tunnel = handle.observe().unwrap().tunnel.unwrap();
        assert!(
            tunnel
                .drift
                .contains(&Drift::Setting(TUNNEL, Setting::RpFilter, Some(2)))
        );
        assert_eq!(
            tunnel.to_string(),
            "swlb0 port 4790 mtu 1464; rp_filter of swlb0 is 2; \
             no rule 5000: from all iif swlb0 lookup 5000"
        );
    });
}

#[test]
fn a_tunnel_of_another_kind_is_made_anew() {
    inside(|_| {
        let mut handle = RouteHandle::open().unwrap();
        let others = [
            "ip link add swlb0 type vxlan external gpe dstport 4791",
            "ip link add swlb0 type vxlan external dstport 4790",
            "ip link add swlb0 type vxlan id 5 dstport 4790",
            "ip link add swlb0 type veth peer name other",
        ];
        for line in others {
            run(line);
            run("ip link set swlb0 alias swarmlb");
            assert_ne!(handle.observe().unwrap().tunnel, wanted().tunnel);
            make(&mut handle, &wanted());
            assert_eq!(handle.observe().unwrap(), wanted(), "{line}");
            run("ip link del swlb0");
        }
    });
}

#[test]
fn a_strangers_device_is_not_touched() {
    inside(|mut routes| {
        for name in [TUNNEL, HAIRPIN_OUT, HAIRPIN_IN] {
            let mut handle = RouteHandle::open().unwrap();
            run(&format!("ip link add {name} type veth peer name other"));
            let before = routes.links().unwrap();
            let hairpin = wanted().hairpin.unwrap();
            let tunnel = wanted().tunnel.unwrap();
            let mut answers = vec![handle.observe().map(drop)];
            if name == TUNNEL {
                answers.push(handle.make_tunnel(&tunnel));
                answers.push(handle.put_encaps(&encaps(1)));
                answers.push(handle.remove_tunnel());
            } else {
                answers.push(handle.make_hairpin(&hairpin));
                answers.push(handle.remove_hairpin());
            }
            for answer in answers {
                let error = answer.unwrap_err();
                assert!(
                    matches!(&error, Error::Foreign { device } if *device == name),
                    "{error}"
                );
            }
            handle.remove_all().unwrap();
            assert_eq!(routes.links().unwrap(), before);
            run(&format!("ip link del {name}"));
        }
    });
}

#[test]
fn orphans_are_seen_and_go() {
    inside(|mut routes| {
        let mut handle = RouteHandle::open().unwrap();
        make(&mut handle, &wanted());
        run("ip route add 240.0.0.9/32 dev swlb0 proto 108");
        run("ip route add 248.0.0.1/32 encap ip id 1 dst 192.0.2.1 dev swlb0 table 9 proto 108");
        run("ip rule add pref 6000 fwmark 5 lookup 9 proto 108");
        run("ip route add 240.0.0.8/32 dev swlb0");
        let index = routes.link(TUNNEL).unwrap().unwrap().index;
        let orphan = Orphan::Route(Route::host([240, 0, 0, 9].into(), index, None));
        let orphans = handle.observe().unwrap().orphans;
        assert!(orphans.contains(&orphan));
        assert_eq!(orphans.len(), 3);
        for _ in 0..2 {
            handle.remove_orphans(&orphans).unwrap();
            assert_eq!(handle.observe().unwrap(), wanted());
        }
        assert!(run("ip route").contains("240.0.0.8 dev swlb0"));
    });
}

#[test]
fn there_is_news_of_devices_routes_and_rules_and_of_nothing_else() {
    inside(|_| {
        let monitor = Monitor::open().unwrap();
        assert!(!monitor.changed());
        for change in [
            "ip link add d0 type bridge",
            "ip link set d0 up",
            "ip route add 192.0.2.0/24 dev d0",
            "ip rule add pref 77 table 77",
            "ip rule delete pref 77",
            "ip link set d0 down",
        ] {
            run(change);
            assert!(monitor.changed(), "{change}");
            assert!(!monitor.changed(), "{change}, twice");
        }
        // More than there is room for.
        let many = encaps(4000);
        let mut handle = RouteHandle::open().unwrap();
        handle.make_tunnel(&Tunnel::over(1500, PORT)).unwrap();
        handle.put_encaps(&many).unwrap();
        assert!(monitor.changed());
        run("ip route show table all");
        assert!(!monitor.changed());
    });
}
