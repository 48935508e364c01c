//! A tenant's container answers what another one was asked.

use harness::acceptance::{served, task};
use harness::client::PATIENCE;
use harness::containers::{address, inside};
use harness::service::{ServiceSpec, Task};
use harness::swarm::Swarm;
use harness::topology::CLIENT;

use crate::attacker::in_container;
use crate::packet::{at, hex, udp};
use crate::shared_swarm;
use crate::witness::{asks, client_socket};

#[test]
fn a_container_answers_for_no_other() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("asked-here")
        .on_node("node1")
        .publish("8442:80/udp");
    let (_service, tasks) = served(&swarm, &spec, 1);
    let liars = ServiceSpec::named("liar")
        .on_node("node1")
        .publish("8443:80");
    let (_liars, liars) = served(&swarm, &liars, 1);
    let node = swarm.node("node1").unwrap().addr;
    let client = client_socket(&swarm, CLIENT, 20_442);
    let who = asks(&client, (node, 8442), "a question").unwrap();
    assert_eq!(task(&who), tasks[0].id);
    forges(&swarm, &liars[0], &tasks[0], 20_442);
    // The forgery would be there before the answer.
    let who = asks(&client, (node, 8442), "another question").unwrap();
    assert_eq!(task(&who), tasks[0].id);
    // Under its own address it goes on.
    let (_netns, own) = inside(&swarm, &liars[0]).unwrap();
    own.udp((node, 8442), PATIENCE).unwrap();
}

/// A container sends what would be the answer of a task on the same bridge to a client's port.
fn forges(swarm: &Swarm, liar: &Task, task: &Task, port: u16) {
    let victim = address(swarm, task).unwrap();
    let forgery = udp(at(victim, 80), at(CLIENT, port), b"forged");
    let said = in_container(
        swarm,
        liar,
        &[
            "send",
            "--raw",
            &at(CLIENT, port).to_string(),
            &hex(&forgery),
        ],
    );
    assert!(said.contains("sent 1"), "{said}");
}
