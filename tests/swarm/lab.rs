//! The laboratory itself: what all other tests on a Swarm take for granted.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use harness::client::PATIENCE;
use harness::image::{WHOAMI_HEALTHCHECK, WHOAMI_NEXT};
use harness::service::{ServiceSpec, Task};
use harness::shared::{self, TestSwarm};
use harness::topology::CLIENT;
use harness::traffic::load::Load;
use harness::{pattern, slow, wait};

use crate::{LAB, TASKS, shared_swarm};

const MEGABYTE: u64 = 1 << 20;

#[test]
fn tasks_of_a_global_service_answer_on_their_own_node() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("host-global")
        .global()
        .publish("mode=host,published=8081,target=80")
        .publish("mode=host,published=8081,target=80,protocol=udp");
    let service = swarm.service_create(&spec).unwrap();
    let tasks = service.wait_for_tasks(3, TASKS).unwrap();
    for node in &swarm.nodes {
        let task = tasks.iter().find(|task| task.node == node.name).unwrap();
        let by_tcp = swarm.client.who((node.addr, 8081)).unwrap();
        let by_udp = swarm.client.udp((node.addr, 8081), PATIENCE).unwrap();
        for who in [by_tcp, by_udp] {
            assert_eq!(who.task.as_ref(), Some(&task.id));
            assert_eq!(who.node.as_ref(), Some(&node.name));
            assert!(task.container.as_ref().unwrap().starts_with(&who.hostname));
            assert_eq!(who.peer.ip(), CLIENT, "the task sees the client");
        }
    }
}

#[test]
fn replicas_of_a_service_run_and_go_with_its_guard() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("replicated").replicas(4).label("a", "b");
    let service = swarm.service_create(&spec).unwrap();
    let tasks = service.wait_for_tasks(4, TASKS).unwrap();
    let nodes: BTreeSet<_> = tasks.iter().map(|task| &task.node).collect();
    assert_eq!((ids(&tasks).len(), nodes.len()), (4, 3));

    service
        .update(&["--replicas", "2", "--image", WHOAMI_NEXT])
        .unwrap();
    service.wait_for_tasks(2, TASKS).unwrap();
    drop(service);
    assert!(swarm.tasks("replicated").is_err());
}

/// This kernel may lack what the stock mesh needs; then its ports must be closed, or
/// tests would measure the mesh. Where it works, it answers.
#[test]
fn a_published_port_is_served_by_the_stock_mesh_or_by_nobody() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    // On a Swarm of its own: on the other one there are agents.
    let test = TestSwarm::up(Path::new(LAB), "lbstock", 1).unwrap();
    let swarm = &test.swarm;
    let service = swarm
        .service_create(&ServiceSpec::named("stock").publish("8082:80"))
        .unwrap();
    service.wait_for_tasks(1, TASKS).unwrap();
    let has_ipvs = Path::new("/proc/net/ip_vs").exists();
    for node in &swarm.nodes {
        let answer = swarm.client.get((node.addr, 8082), "/", PATIENCE);
        assert_eq!(answer.is_ok(), has_ipvs, "{}: {answer:?}", node.name);
    }
}

/// The load must see what fails, or a rolling update that drops requests would pass.
#[test]
fn load_counts_answers_by_task_and_failures_with_their_reason() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("load")
        .global()
        .publish("mode=host,published=8085,target=80");
    let service = swarm.service_create(&spec).unwrap();
    let tasks = service.wait_for_tasks(3, TASKS).unwrap();
    let mut load = Load::new(swarm.nodes.iter().map(|node| (node.addr, 8085).into()));
    let a_second = || {
        std::thread::sleep(Duration::from_secs(1));
        Ok(())
    };
    let ((), report) = swarm.client.during(&load, a_second).unwrap();
    assert_eq!(report.failed, 0, "{report:?}");
    assert!(
        (slow::fewer(250)..=slow::fewer(550)).contains(&report.answered()),
        "500 per second: {report:?}"
    );
    assert_eq!(report.answers.keys().collect::<BTreeSet<_>>(), ids(&tasks));

    load.kept = Some(1);
    let ((), report) = swarm.client.during(&load, a_second).unwrap();
    assert_eq!(
        (report.failed, report.answers.len()),
        (0, 1),
        "one connection: {report:?}"
    );

    load.kept = None;
    let removed = || {
        drop(service);
        wait::until("refusals", TASKS, || {
            let answer = swarm.client.get((swarm.nodes[0].addr, 8085), "/", PATIENCE);
            Ok(answer.is_err().then_some(()))
        })?;
        // The load, too, asks once more before it ends.
        a_second()
    };
    let ((), report) = swarm.client.during(&load, removed).unwrap();
    assert!(
        report.failed > 0 && !report.failures.is_empty(),
        "{report:?}"
    );
}

#[test]
fn bulk_data_arrives_whole() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("bulk")
        .on_node("node2")
        .publish("mode=host,published=8083,target=80");
    let service = swarm.service_create(&spec).unwrap();
    service.wait_for_tasks(1, TASKS).unwrap();
    let (node, len) = (swarm.node("node2").unwrap().addr, 10 * MEGABYTE);
    let expected = pattern::sha256(len);
    let down = swarm.client.download((node, 8083), len).unwrap();
    assert_eq!((down.bytes, &down.sha256), (len, &expected));
    let up = swarm.client.upload((node, 8083), len).unwrap();
    assert_eq!((up.bytes, &up.sha256), (len, &expected));
}

#[test]
fn an_unhealthy_task_is_replaced() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("health")
        .image(WHOAMI_HEALTHCHECK)
        .on_node("node3")
        .publish("mode=host,published=8084,target=80");
    let service = swarm.service_create(&spec).unwrap();
    let first = service.wait_for_tasks(1, TASKS).unwrap().remove(0);
    let node = swarm.node("node3").unwrap().addr;
    let unhealthy = async move {
        let mut connection =
            harness::traffic::http::Connection::open((node, 8084).into(), PATIENCE).await?;
        connection.post("/unhealthy").await
    };
    swarm.client.block_on(unhealthy).unwrap();
    wait::until("another task", TASKS, || {
        let tasks = service.tasks()?;
        Ok(tasks
            .into_iter()
            .find(|task| task.is_running() && task.id != first.id))
    })
    .unwrap();
}

#[test]
fn a_stack_is_deployed_and_removed() {
    let Some(swarm) = shared_swarm() else { return };
    let file = swarm.dir().join("stack.yml");
    let stack = "
version: '3.8'
services:
  front:
    image: whoami:1
    deploy: { mode: global }
    networks: [host]
networks:
  host: { external: true, name: host }
";
    std::fs::write(&file, stack).unwrap();
    swarm.stack_deploy(&file, "st").unwrap();
    let _guard = swarm.stack_guard("st");
    swarm.wait_for_tasks("st_front", 3, TASKS).unwrap();
    for node in &swarm.nodes {
        for client in [&swarm.client, &node.client()] {
            assert!(
                client.who((node.addr, 80)).is_ok(),
                "{}: host network",
                node.name
            );
        }
    }
}

fn ids(tasks: &[Task]) -> BTreeSet<&String> {
    tasks.iter().map(|task| &task.id).collect()
}
