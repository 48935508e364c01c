//! A user of a node without any privilege, and a container in its network, who call the task of a service with routes on another
//! node past the HTTP router, which asks for a password.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use harness::agents::{STACK, by_mesh};
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::shared::{self, TestSwarm};
use harness::swarm::Swarm;
use harness::wait;
use serde_json::Value;

use crate::attacker::{NOBODY, Nobody};
use crate::local_user::from_host_network;
use crate::{LAB, TASKS};

const FILES: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/stack.yml"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/router.yml"),
];
/// The user as whom routers run, by these files.
const ROUTER: &str = "60081";
/// The first user that somebody makes on a machine.
const ANOTHER: &str = "1000";
/// Two routers start, one after the other.
const START: Duration = Duration::from_secs(90);

/// A port to which the route leads, and one that nobody publishes.
const PORTS: [u16; 2] = [80, 90];
/// Who is let in, as htpasswd writes it (SHA-1), and as a client does.
const USERS: &str = "ada:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=";
const USER: &str = "ada:test";

/// The status with which the router of a node answers, as curl has it: to a client without a password, or with it.
fn status(swarm: &Swarm, node: &Node, user: Option<&str>) -> Result<String> {
    let url = format!("http://{}/healthz", node.addr);
    let mut arguments = vec!["--silent", "--max-time", "10", "--output", "/dev/null"];
    arguments.extend([
        "--write-out",
        "%{http_code}",
        "--header",
        "Host: locked.test",
    ]);
    arguments.extend(user.into_iter().flat_map(|user| ["--user", user]));
    arguments.push(&url);
    swarm.client_exec("curl", &arguments)
}

/// The address by which the router of a node calls the only task.
fn address(node: &Node) -> SocketAddr {
    let asked = "Authorization: Basic YWRhOnRlc3Q=";
    let told = node.report(&["explain", "http://locked.test/", "--header", asked]);
    let told = told.unwrap();
    println!("{told}");
    let address = told.pointer("/tasks/0/address").and_then(Value::as_str);
    address.unwrap().parse().unwrap()
}

#[test]
fn who_calls_the_task_of_a_route_is_refused_unless_it_is_the_router() {
    if !shared::is_root() || by_mesh() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lblocks", 2).unwrap();
    let swarm = &test.swarm;
    swarm.load_agent().unwrap();
    swarm
        .stack_deploy_files(&FILES.map(Path::new), STACK)
        .unwrap();
    swarm.wait_for_agents().unwrap();
    let spec = ServiceSpec::named("locked")
        .on_node("node2")
        .label("traefik.http.routers.locked.rule", "Host(`locked.test`)")
        .label("traefik.http.routers.locked.middlewares", "ask")
        .label("traefik.http.middlewares.ask.basicauth.users", USERS)
        .label(
            "traefik.http.services.locked.loadbalancer.server.port",
            "80",
        );
    let spec = PORTS
        .iter()
        .fold(spec, |spec, port| spec.argument(&format!("--port={port}")));
    let service = swarm.service_create(&spec).unwrap();
    service.wait_for_tasks(1, TASKS).unwrap();
    let node = swarm.node("node1").unwrap();
    let served = || {
        let answered = status(swarm, node, Some(USER)).unwrap_or_default();
        Ok((answered == "200").then_some(()))
    };
    wait::until("the router to serve", START, served).unwrap();
    assert_eq!(status(swarm, node, None).unwrap(), "401");

    let task = address(node).ip();
    for port in PORTS {
        let url = format!("http://{}/healthz", SocketAddr::new(task, port));
        for user in [NOBODY, ANOTHER, "0"] {
            let said = Nobody::numbered(node, user).whoami(&["health", &url]);
            assert!(!said.status.success(), "user {user} reached {url}");
        }
        // As root, with the rights that Docker gives.
        assert!(!from_host_network(node, &url), "a container: {url}");
    }
    // It is the user that is looked at: so the address was the task's.
    let url = format!("http://{}/healthz", SocketAddr::new(task, 80));
    let said = Nobody::numbered(node, ROUTER).whoami(&["health", &url]);
    assert!(said.status.success(), "{said:?}");
    assert_eq!(status(swarm, node, Some(USER)).unwrap(), "200");
}
