//! Devices against the kernel, each test in a network namespace of its own. `ip` has to agree.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that calls them"
)]

mod namespace;

use lb_netlink::route::{Kind, Link, Routes, Setting, Vxlan};
use namespace::{inside, run};
use nix::errno::Errno;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn link(routes: &mut Routes, name: &str) -> Link {
    routes.link(name).unwrap().unwrap()
}

#[test]
fn a_tunnel_is_read_back_as_made() {
    inside(|mut routes| {
        routes.add_vxlan("swlb0", 4790, 1464).unwrap();
        let tunnel = link(&mut routes, "swlb0");
        let vxlan = Vxlan {
            external: true,
            gpe: true,
            port: 4790,
        };
        assert_eq!(tunnel.kind, Kind::Vxlan(vxlan));
        assert_eq!((tunnel.mtu, tunnel.up), (1464, true));
        assert_eq!(tunnel.ifalias.as_deref(), Some("swarmlb"));
        assert!(routes.links().unwrap().contains(&tunnel));
        let shown = run("ip -d link show swlb0");
        for word in [
            "mtu 1464",
            ",UP,",
            "vxlan external",
            "dstport 4790",
            " gpe ",
            "alias swarmlb",
        ] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        routes.set_mtu(tunnel.index, 1400).unwrap();
        assert_eq!(link(&mut routes, "swlb0").mtu, 1400);
        let again = routes.add_vxlan("swlb0", 4790, 1464).unwrap_err();
        assert_eq!(again.refused(), Some(Errno::EEXIST));
        routes.delete_link(tunnel.index).unwrap();
        assert_eq!(routes.link("swlb0").unwrap(), None);
        let again = routes.delete_link(tunnel.index).unwrap_err();
        assert_eq!(again.refused(), Some(Errno::ENODEV));
    });
}

#[test]
fn a_tunnel_on_a_taken_port_is_not_made() {
    inside(|mut routes| {
        let taken = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = routes.add_vxlan("swlb0", port, 1464).unwrap_err();
        assert_eq!(error.refused(), Some(Errno::EADDRINUSE));
        assert!(error.to_string().contains("swlb0"), "{error}");
        assert_eq!(routes.link("swlb0").unwrap(), None);
    });
}

#[test]
fn a_pair_is_read_back_as_made() {
    inside(|mut routes| {
        routes.add_veth("one", "two", MAC, 9000).unwrap();
        let (one, two) = (link(&mut routes, "one"), link(&mut routes, "two"));
        for (end, other) in [(&one, &two), (&two, &one)] {
            let peer = Some(other.index);
            assert_eq!(end.kind, Kind::Veth { peer });
            assert_eq!((end.mtu, end.up, end.noarp), (9000, true, true));
            assert_eq!(end.mac, Some(MAC));
            assert_eq!(end.ifalias.as_deref(), Some("swarmlb"));
            let shown = run(&format!("ip -d link show {}", end.name));
            for word in [
                "mtu 9000",
                "NOARP,UP,LOWER_UP",
                "02:00:00:00:00:01",
                "alias swarmlb",
            ] {
                assert!(shown.contains(word), "{word}: {shown}");
            }
        }
        for (name, peer) in [("one", "three"), ("three", "two")] {
            let error = routes.add_veth(name, peer, MAC, 1500).unwrap_err();
            assert_eq!(error.refused(), Some(Errno::EEXIST));
            assert_eq!(routes.link("three").unwrap(), None);
        }
        routes.delete_link(one.index).unwrap();
        assert_eq!(routes.link("two").unwrap(), None);
    });
}

#[test]
fn a_pair_whose_other_end_is_elsewhere_has_no_peer() {
    inside(|mut routes| {
        routes.add_veth("one", "two", MAC, 1500).unwrap();
        // `unshare` of util-linux, whose namespace lasts as long as its process.
        let mut elsewhere = Command::new("unshare")
            .args(["--net", "sleep", "10"])
            .spawn()
            .unwrap();
        let moved = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(20));
            let own = fs::read_link("/proc/thread-self/ns/net").unwrap();
            let its = fs::read_link(format!("/proc/{}/ns/net", elsewhere.id())).unwrap();
            own != its
        });
        assert!(moved);
        run(&format!("ip link set two netns {}", elsewhere.id()));
        assert_eq!(link(&mut routes, "one").kind, Kind::Veth { peer: None });
        elsewhere.kill().unwrap();
        elsewhere.wait().unwrap();
    });
}

#[test]
fn ipv4_settings_are_read_back_as_made() {
    inside(|mut routes| {
        routes.add_veth("one", "two", MAC, 1500).unwrap();
        let index = link(&mut routes, "one").index;
        for value in [1, 0] {
            for setting in Setting::ALL {
                routes.set_ipv4(index, setting, value).unwrap();
                assert_eq!(link(&mut routes, "one").ipv4[&setting], value, "{setting}");
                // Of this process's namespace, whatever /proc/sys the test sees.
                let shown = run(&format!("sysctl -n net.ipv4.conf.one.{setting}"));
                assert_eq!(shown.trim(), value.to_string(), "{setting}");
            }
        }
        routes.set_ipv4(index, Setting::RpFilter, 2).unwrap();
        let after = link(&mut routes, "one").ipv4;
        assert_eq!(after.values().sum::<u32>(), 2, "{after:?}");
    });
}
