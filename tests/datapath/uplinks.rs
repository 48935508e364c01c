//! Clients on several devices of one node.

use std::time::Duration;

use harness::packet_socket;
use lb_abi::TCP;
use lb_abi::settings::Uplink;
use lb_datapath::Verdict;

use crate::frames::{at, client, tcp};
use crate::lab::{lab, node};
use crate::states::{here, publish};
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
