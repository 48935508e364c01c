//! A user of a node makes the directory of pins before the agent comes: whoever owns it could take the
//! datapath away, or put another one in its place.

use std::path::Path;
use std::time::Duration;

use harness::agents::{PINS, by_ipvs};
use harness::node::Node;
use harness::shared::{self, TestSwarm};
use harness::wait;

use crate::LAB;
use crate::attacker::Nobody;

#[test]
fn a_directory_of_pins_that_somebody_else_made_is_refused_and_named() {
    // The other datapath pins nothing.
    if !shared::is_root() || by_ipvs() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbowner", 1).unwrap();
    let node = test.swarm.manager().unwrap();
    test.swarm.load_agent().unwrap();
    // As `mount -t bpf` leaves it.
    node.exec("chmod", &["1777", "/sys/fs/bpf"]).unwrap();
    let made = Nobody::on(node).tries("mkdir", &[PINS]);
    assert!(made.status.success(), "{made:?}");
    test.swarm.start_agents().unwrap();
    wait::until("the agent's complaint", Duration::from_secs(30), || {
        let serves = node.lbctl(&["status", "--quiet"])?.status.success();
        assert!(!serves, "the agent took a directory that is nobody's");
        Ok(logs(node).contains(PINS).then_some(()))
    })
    .unwrap();
    let inside = node.exec("find", &[PINS, "-mindepth", "1"]).unwrap();
    assert_eq!(inside, "", "nothing is pinned there");

    node.exec("rm", &["-r", PINS]).unwrap();
    test.swarm.wait_for_agents().unwrap();
}

/// Logs of all agents of the node that the engine still knows, those that ended included.
fn logs(node: &Node) -> String {
    let all = ["ps", "--all", "--quiet", "--filter", "name=lb_agent"];
    let containers = node.docker(&all).unwrap();
    let log = |container: &str| {
        let said = node.try_docker(&["logs", container]).unwrap();
        String::from_utf8_lossy(&said.stderr).into_owned()
    };
    containers.lines().map(log).collect()
}
