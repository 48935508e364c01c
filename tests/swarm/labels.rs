//! Labels of services: host ports, direct replies, problems.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use harness::outcome::{assert_failed, is_no_answer, is_refused};
use harness::service::ServiceSpec;
use harness::topology::CLIENT;
use harness::wait;

use crate::tools::{ids, served, tally};
use crate::{TASKS, shared_swarm};

/// Scenario 11: tasks that Docker publishes on their own nodes only, on whatever port.
#[test]
fn a_label_publishes_tasks_with_host_ports_on_every_node() {
    let Some(swarm) = shared_swarm() else { return };
    // No overlay network: these tasks are on docker0 alone.
    let spec = ServiceSpec::named("hosted")
        .option("--mode", "global")
        .publish("mode=host,target=80")
        .label("swarmlb.publish", "8097:80");
    let (_service, tasks) = served(&swarm, &spec, 3);
    let each = ids(&tasks).into_iter().map(|task| (task, 2)).collect();
    for node in &swarm.nodes {
        let peer = (node.addr, 8097);
        // The tasks are served by then.
        wait::until("the label's port", Duration::from_secs(2), || {
            Ok(swarm.client.who(peer).is_ok().then_some(()))
        })
        .unwrap();
        let answers = swarm.client.sequential(peer, 6).unwrap();
        assert_eq!(tally(&answers), each, "through {}", node.name);
        let clients: BTreeSet<_> = answers
            .iter()
            .map(|who| who.peer.ip().to_string())
            .collect();
        assert_eq!(
            clients,
            [CLIENT.to_string()].into(),
            "through {}",
            node.name
        );
        // And for processes of the node itself.
        let answers = node.client().sequential((Ipv4Addr::LOCALHOST, 8097), 6);
        assert_eq!(tally(&answers.unwrap()), each, "on {}", node.name);
    }
}

#[test]
fn by_source_hash_a_client_has_one_task_through_every_node() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("sticky")
        .replicas(4)
        .publish("8082:80")
        .label("swarmlb.policy", "source-hash");
    let (service, _tasks) = served(&swarm, &spec, 4);
    let mut seen = BTreeSet::new();
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, 8082), 4).unwrap();
        seen.extend(tally(&answers).into_keys());
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    // Without the label they go round again, with no restart of anything.
    service.update(&["--label-rm", "swarmlb.policy"]).unwrap();
    let peer = (swarm.nodes[0].addr, 8082);
    wait::until("all tasks in turn", TASKS, || {
        let answers = swarm.client.sequential(peer, 4)?;
        Ok((tally(&answers).len() == 4).then_some(()))
    })
    .unwrap();
}

#[test]
fn with_local_only_a_node_uses_its_own_tasks_or_refuses() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("near")
        .replicas(2)
        .on_node("node2")
        .publish("8083:80")
        .label("swarmlb.local", "only");
    let (_service, tasks) = served(&swarm, &spec, 2);
    let peer = (swarm.nodes[1].addr, 8083);
    wait::until("both tasks of node2", TASKS, || {
        let answers = swarm.client.sequential(peer, 4);
        Ok(answers
            .is_ok_and(|answers| tally(&answers).len() == tasks.len())
            .then_some(()))
    })
    .unwrap();
    for node in [&swarm.nodes[0], &swarm.nodes[2]] {
        let refused = swarm.client.who((node.addr, 8083));
        assert_failed(&refused, is_refused, &node.name);
    }
}

#[test]
fn a_service_can_be_left_to_docker() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("left")
        .publish("8084:80")
        .label("swarmlb.enable", "false");
    // Not served, so it can't be waited for as the others are.
    let service = swarm.service_create(&spec).unwrap();
    service.wait_for_tasks(1, TASKS).unwrap();
    // What came later is served by all: by then they have seen this one as well.
    let later = ServiceSpec::named("later").publish("8086:80");
    let _later = served(&swarm, &later, 1);
    // There is no stock mesh on this kernel: who does not answer has not taken it.
    for node in &swarm.nodes {
        let answer = swarm.client.who((node.addr, 8084));
        assert_failed(&answer, is_no_answer, &node.name);
    }
    service.update(&["--label-rm", "swarmlb.enable"]).unwrap();
    wait::until("the port", TASKS, || {
        let all = swarm.nodes.iter();
        let mut answers = all.map(|node| swarm.client.who((node.addr, 8084)));
        Ok(answers.all(|answer| answer.is_ok()).then_some(()))
    })
    .unwrap();
}
