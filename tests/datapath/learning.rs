//! A bridge whose ports' programs take its frames goes on learning behind which ports its stations are.

use std::process::Command;
use std::time::Duration;

use lb_datapath::Verdict;

use crate::frames::{at, client, tcp};
use crate::hairpin::serving;
use crate::lab::{GATEWAY, lab, mac, node};
use crate::states::address_of;
use crate::world::{PortTc, UplinkTc};

/// What a program says in the calling thread's network namespace.
fn said(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..300 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within 3 s: {what}");
}

#[test]
fn a_bridge_learns_where_a_station_is_whose_frames_it_does_not_get() {
    lab(|lab| {
        let mut world = serving(lab, 1);
        world.net().enter();
        eventually("the port forwards", || {
            said("ip", "-d link show port0").contains("state forwarding")
        });
        // The fixtures' frames all come from there.
        let station = mac(GATEWAY).map(|byte| format!("{byte:02x}")).join(":");
        let learned = || said("bridge", "fdb show dev port0").contains(&station);
        world.send(UplinkTc, &tcp(client(1), at(node(1), 8080), "S").frame());
        assert!(!learned(), "nothing came by the port");
        let reply = tcp(at(address_of(1), 80), client(1), "SA").frame();
        assert_eq!(world.send(PortTc, &reply).0, Verdict::Uplink);
        eventually("the bridge has learned it", learned);
        // Once is enough for a while, and nothing of it is left in what goes on.
        let expected = tcp(at(node(1), 8080), client(1), "SA").frame();
        assert_eq!(world.send(PortTc, &reply), (Verdict::Uplink, expected));
    });
}
