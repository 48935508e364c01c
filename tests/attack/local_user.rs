//! A user of a node without any privilege, and a container in its network.

use std::time::Duration;

use harness::acceptance::served;
use harness::agents::by_ipvs;
use harness::client::PATIENCE;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::traffic::http::Connection;
use harness::{image, slow, wait};
use lb_core::backend::ebpf::task_address;
use lb_core::model::ids::Key;

use crate::attacker::Nobody;
use crate::packet::{at, hex};
use crate::restricted_service::RestrictedService;
use crate::{TASKS, alone, shared_swarm};

/// The label by which a service lets processes of the nodes reach its tasks themselves.
const OPEN_TO_HOSTS: (&str, &str) = ("swarmlb.task-address", "true");

#[test]
fn what_a_user_of_a_node_forges_for_the_tunnel_reaches_no_task() {
    let Some(swarm) = shared_swarm() else { return };
    let nobody = Nobody::on(swarm.node("node1").unwrap());
    RestrictedService::publish(&swarm, 8450).holds_against(|to, packets| {
        nobody.sends(to, packets);
    });
}

/// Ports of one service, and sources of one user: together more than a node remembers (176,128 by default, or fewer).
const PORTS: std::ops::Range<u16> = 8451..8457;
const SOURCES: u16 = 50_000;

#[test]
fn datagrams_of_a_user_end_no_clients_connection() {
    let Some(swarm) = alone() else { return };
    let connected = ServiceSpec::named("connected")
        .on_node("node2")
        .publish("8457:80");
    let (_connected, _) = served(&swarm, &connected, 1);
    let called = PORTS.fold(
        ServiceSpec::named("called").on_node("node2"),
        |spec, port| spec.publish(&format!("{port}:80/udp")),
    );
    let (_called, _) = served(&swarm, &called, 1);
    let node = swarm.node("node1").unwrap();
    let nobody = Nobody::on(node);
    let count = slow::fewer(u32::from(SOURCES)).to_string();
    let sends = || {
        for port in PORTS {
            let to = at(node.addr, port).to_string();
            let said = nobody.whoami(&[
                "send",
                "--from",
                "10000",
                "--count",
                &count,
                &to,
                &hex(b"x"),
            ]);
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            println!("port {port}: {said}");
            assert!(said.starts_with("sent "), "{said}");
        }
    };
    let peer = (node.addr, 8457).into();
    let talk = async {
        let mut connection = Connection::open(peer, PATIENCE).await?;
        let before = connection.who().await?;
        // The connection needs nothing of this runtime meanwhile.
        std::thread::scope(|scope| scope.spawn(sends).join().map_err(|_| ())).unwrap();
        let after = connection.who().await?;
        Ok((before, after))
    };
    let (before, after) = swarm.client.block_on(talk).unwrap();
    assert_eq!(before.task, after.task);
}

/// Where a service does not open them, ports that it does not publish stay its own.
#[test]
fn a_port_that_a_task_does_not_publish_is_no_users_and_no_containers_of_any_node() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("private")
        .on_node("node2")
        .publish("8458:80")
        .argument("--port=80")
        .argument("--port=90");
    let (service, tasks) = served(&swarm, &spec, 1);
    let url = format!(
        "http://[{}]:90/healthz",
        task_address(Key::of(&tasks[0].id))
    );
    for node in &swarm.nodes {
        let nobody = Nobody::on(node);
        let said = nobody.whoami(&["health", &url]);
        assert!(
            !said.status.success(),
            "nobody on {}: reached it",
            node.name
        );
        assert!(
            !from_host_network(node, &url),
            "a container on {}",
            node.name
        );
    }
    if by_ipvs() {
        return; // It has no such addresses.
    }
    let (label, value) = OPEN_TO_HOSTS;
    service
        .update(&["--label-add", &format!("{label}={value}")])
        .unwrap();
    for node in &swarm.nodes {
        let nobody = Nobody::on(node);
        wait::until("the service to be open to processes", TASKS, || {
            Ok(nobody
                .whoami(&["health", &url])
                .status
                .success()
                .then_some(()))
        })
        .unwrap();
    }
}

/// Whether a container in the network of its node gets an answer.
pub(crate) fn from_host_network(node: &Node, url: &str) -> bool {
    let begin = std::time::Instant::now();
    let run = [
        "run",
        "--rm",
        "--network",
        "host",
        image::WHOAMI,
        "health",
        url,
    ];
    let said = node.try_docker(&run).unwrap();
    assert!(
        begin.elapsed() < slow::longer(Duration::from_secs(30)),
        "{said:?}"
    );
    said.status.success()
}
