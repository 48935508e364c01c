//! `docker stack rm lb`, on a Swarm of its own: nothing of swarmlb's is left.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::service::ServiceSpec;
use harness::shared::{self, TestSwarm};
use harness::wait;

use crate::kernel::{attached, pins};
use crate::state::State;
use crate::tools::everywhere;
use crate::untouched::{DIRECTORY, assert_as_before, assert_ours};
use crate::{LAB, TASKS};

#[test]
fn a_removed_stack_leaves_no_pin_and_no_program_on_any_node() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbleave", 3).unwrap();
    let swarm = &test.swarm;
    let spec = ServiceSpec::named("stays").replicas(3).publish("8180:80");
    let service = swarm.service_create(&spec).unwrap();
    service.wait_for_tasks(3, TASKS).unwrap();
    swarm.load_agent().unwrap();
    let before = State::of_all(swarm);
    swarm.deploy_agents().unwrap();
    swarm.wait_until_served(&service.id, 3, TASKS).unwrap();
    for (node, before) in swarm.nodes.iter().zip(&before) {
        assert_ours(node, &State::of(swarm, node).changes(before));
    }
    for node in &swarm.nodes {
        assert!(pins(node).len() > 10, "{:?}", pins(node));
        let programs = [
            "docker0 tc",
            "docker_gwbridge tc",
            "eth0 tc",
            "eth0 tc egress",
            "eth0 xdp",
        ];
        let mut there = attached(node);
        // Besides, at each container's port of a bridge.
        let all = there.len();
        there.retain(|place| !place.starts_with("veth"));
        assert_eq!(there, programs, "{}", node.name);
        assert!(all > there.len(), "{}: no container's port", node.name);
        swarm.client.who((node.addr, 8180)).unwrap();
    }
    let begin = Instant::now();
    swarm.remove_agents().unwrap();
    for node in &swarm.nodes {
        let mut left = (Vec::new(), Vec::new());
        let nothing = wait::until("an empty kernel", Duration::from_secs(5), || {
            left = (pins(node), attached(node));
            Ok((left.0.is_empty() && left.1.is_empty()).then_some(()))
        });
        assert!(nothing.is_ok(), "{}: {left:?}", node.name);
        let socket = node.path("/run/swarmlb/agent.sock").unwrap();
        assert!(!socket.exists(), "{}", node.name);
    }
    assert_as_before(swarm, &before, &[DIRECTORY]);
    println!(
        "nothing left on any node {:?} after `docker stack rm`",
        begin.elapsed()
    );
    // The port is the stock mesh's again, where there is one.
    let has_ipvs = Path::new("/proc/net/ip_vs").exists();
    for peer in everywhere(swarm, 8180) {
        assert_eq!(swarm.client.who(peer).is_ok(), has_ipvs, "{peer}");
    }
    // And the service never noticed: deployed again, it is served again.
    swarm.deploy_agents().unwrap();
    swarm.wait_until_served("stays", 3, TASKS).unwrap();
    for peer in everywhere(swarm, 8180) {
        swarm.client.who(peer).unwrap();
    }
}
