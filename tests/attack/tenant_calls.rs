//! A tenant's containers call published ports, as often as they can.

use harness::acceptance::served;
use harness::client::PATIENCE;
use harness::containers::inside;
use harness::service::ServiceSpec;

use crate::alone;
use crate::attacker::in_container;
use crate::packet::{at, hex};

/// Sources of one container: more than there are ports to present calls by (`lb-datapath`: 4,536).
const CALLS: &str = "6000";

#[test]
fn datagrams_of_one_container_leave_others_on_its_node_room_for_theirs() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("names")
        .on_node("node2")
        .publish("8440:80/udp");
    let (_service, _tasks) = served(&swarm, &spec, 1);
    let callers = ServiceSpec::named("neighbours")
        .replicas(2)
        .on_node("node1")
        .publish("8441:80");
    let (_callers, callers) = served(&swarm, &callers, 2);
    let own = swarm.node("node1").unwrap().addr;
    let (_netns, neighbour) = inside(&swarm, &callers[1]).unwrap();
    neighbour.udp((own, 8440), PATIENCE).unwrap();
    let said = in_container(
        &swarm,
        &callers[0],
        &[
            "send",
            "--from",
            "20000",
            "--count",
            CALLS,
            &at(own, 8440).to_string(),
            &hex(b"a call"),
        ],
    );
    assert!(said.contains(&format!("sent {CALLS}")), "{said}");
    let answered = (0..20)
        .filter(|_| neighbour.udp((own, 8440), PATIENCE / 10).is_ok())
        .count();
    assert_eq!(answered, 20, "answers of 20 calls of another container");
}
