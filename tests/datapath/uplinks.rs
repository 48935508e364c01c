//! Clients on several devices of one node.

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
