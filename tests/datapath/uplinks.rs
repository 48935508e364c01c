//! Clients on several devices of one node.

use std::time::Duration;

use harness::packet_socket;
use lb_abi::TCP;
use lb_abi::settings::{BridgePort, Uplink};
use lb_datapath::Verdict;

use crate::frames::{at, client, tcp};
use crate::lab::{lab, mac, node};
use crate::states::{here, publish, there};
use crate::world::World;

/// The MAC address of another card.
const OTHER: [u8; 6] = [2, 0, 0, 0, 9, 9];

#[test]
fn each_device_answers_to_its_own_mac_address_and_no_other_device_answers() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        let second = world.net().second;
        let syn = |port| tcp(client(port), at(node(1), 8080), "S");
        world.change(|state| publish(state, TCP, 8080, 80, &[here(1)]));
        let to_other = syn(1).with_mac(OTHER).frame();
        assert_eq!(
            world.send_on(second, &to_other).0,
            Verdict::Pass,
            "not an uplink"
        );
        world.change(|state| {
            state.uplinks.insert(second, Uplink::new(OTHER));
        });
        assert_eq!(world.send_on(second, &to_other).0, Verdict::Bridge);
        assert_eq!(
            world.send_on(second, &syn(2).frame()).0,
            Verdict::Pass,
            "of the first"
        );
        world.untouched(
            "a frame for the other card",
            &syn(3).with_mac(OTHER).frame(),
        );
        assert_eq!(world.receive(&syn(4).frame()).0, Verdict::Bridge);
        world.change(|state| {
            state.uplinks.remove(&second);
        });
        assert_eq!(world.send_on(second, &to_other).0, Verdict::Pass);
    });
}

#[test]
fn where_the_uplink_is_a_bridge_frames_for_it_are_taken_at_its_ports() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        let (port, uplink) = (world.net().second, world.net().uplink);
        world.change(|state| {
            publish(state, TCP, 8080, 80, &[here(1)]);
            let of_uplink = BridgePort::new(uplink, mac(node(1)));
            state.bridge_ports.insert(port, of_uplink);
        });
        let syn = |port| tcp(client(port), at(node(1), 8080), "S");
        assert_eq!(world.send_on(port, &syn(1).frame()).0, Verdict::Bridge);
        // The bridge's own program finds the flow that a port's has made.
        assert_eq!(world.send_on(uplink, &syn(1).frame()).0, Verdict::Bridge);
        assert_eq!(world.counted(1).new, 1);
        let guests = syn(2).with_mac(OTHER).frame();
        assert_eq!(world.send_on(port, &guests), (Verdict::Pass, guests));
    });
}

#[test]
fn a_tunnel_packet_comes_in_at_a_port_of_the_bridge_that_is_the_tunnels_device() {
    lab(|lab| {
        let mut ingress = World::new(lab, 2);
        let mut home = World::new(lab, 1);
        ingress.change(|state| publish(state, TCP, 8080, 80, &[there(1, node(1))]));
        home.change(|state| publish(state, TCP, 8080, 80, &[here(1)]));
        let syn = tcp(client(1), at(node(2), 8080), "S");
        let syn = syn.with_mac(mac(node(2))).frame();
        let (verdict, tunnelled) = ingress.receive(&syn);
        assert_eq!(verdict, Verdict::Uplink);
        let (port, uplink) = (home.net().second, home.net().uplink);
        assert_eq!(home.send_on(port, &tunnelled).0, Verdict::Pass, "no port");
        home.change(|state| {
            let of_uplink = BridgePort::new(uplink, mac(node(1)));
            state.bridge_ports.insert(port, of_uplink);
        });
        assert_eq!(home.send_on(port, &tunnelled).0, Verdict::Bridge);
    });
}

/// The kernel takes the tag out of the bytes before tc sees them on the card, and gives the
/// packet to the VLAN's own device next. Real frames: a test run has no tags.
#[test]
fn on_the_card_itself_a_vlans_frames_are_left_alone() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| publish(state, TCP, 8080, 80, &[here(1)]));
        let frame = |port| tcp(client(port), at(node(1), 8080), "S").frame();
        let tagged = [&frame(1)[..12], &[0x81, 0, 0, 7], &frame(1)[12..]].concat();
        world.net().enter();
        for frame in [tagged, frame(2)] {
            packet_socket::send(world.net().second, &frame).unwrap();
        }
        let ports = || -> Vec<u16> {
            let flows = world.kernel().flows().unwrap();
            flows.keys().map(|tuple| tuple.source_port.get()).collect()
        };
        for _ in 0..100 {
            if !ports().is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(ports(), [2], "the one that has no tag");
    });
}
