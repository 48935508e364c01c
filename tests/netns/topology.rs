//! The laboratory's network behaves as a wire, and leaves nothing behind.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use harness::netns::Netns;
use harness::topology::{CLIENT, Topology, node_addr};
use harness::{shared, teardown};

fn prefix(test: &str) -> String {
    format!("lbnet{test}{}", std::process::id())
}

#[test]
fn every_node_is_one_hop_from_the_client() {
    if !shared::is_root() {
        return;
    }
    let net = Topology::up(&prefix("hop"), 2, 1500).unwrap();
    for (number, node) in (1..).zip(&net.nodes) {
        let listener = node
            .run(|| TcpListener::bind((node_addr(number), 80)))
            .unwrap()
            .unwrap();
        // A listener belongs to the namespace it was opened in, not to its thread.
        let mut out = net
            .client
            .run(|| TcpStream::connect((node_addr(number), 80)))
            .unwrap()
            .unwrap();
        let (mut accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), CLIENT);
        out.write_all(b"x").unwrap();
        let mut byte = [0];
        accepted.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }
}

#[test]
fn cables_finish_checksums_and_take_native_xdp() {
    if !shared::is_root() {
        return;
    }
    let net = Topology::up(&prefix("xdp"), 1, 1400).unwrap();
    for (host, port) in [(&net.nodes[0], "node1"), (&net.client, "client")] {
        let features = host
            .command("ethtool")
            .args(["-k", "eth0"])
            .output()
            .unwrap();
        let features = String::from_utf8(features.stdout).unwrap();
        assert!(features.contains("tx-checksumming: off"), "{features}");
        // `xdpgeneric` would say that the driver did not take it.
        let link = net.switch.ip(&format!("link show dev {port}")).unwrap();
        assert!(link.contains(" mtu 1400 xdp "), "{link}");
        let link = host.ip("link show dev eth0").unwrap();
        assert!(link.contains(" mtu 1400 "), "{link}");
    }
}

#[test]
fn the_guards_remove_everything_also_in_a_panic() {
    if !shared::is_root() {
        return;
    }
    let prefix = prefix("gone");
    let result = std::panic::catch_unwind(|| {
        let net = Topology::up(&prefix, 1, 1500).unwrap();
        assert_eq!(Netns::with_prefix(&prefix).len(), 3);
        net.client.run(|| panic!("on purpose")).unwrap();
    });
    assert!(result.is_err(), "a panic in a namespace passes through");
    assert_eq!(teardown::residue(&prefix).to_string(), "");
}

#[test]
fn a_second_network_of_the_same_name_is_refused_and_harms_nothing() {
    if !shared::is_root() {
        return;
    }
    let prefix = prefix("twice");
    let _first = Topology::up(&prefix, 1, 1500).unwrap();
    assert!(Topology::up(&prefix, 1, 1500).is_err());
    assert_eq!(Netns::with_prefix(&prefix).len(), 3);
}
