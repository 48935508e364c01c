//! Requests while tasks, routers and agents change.

use std::time::Duration;

use anyhow::Result;
use harness::agents::SERVICE as AGENTS;
use harness::beside::beside;
use harness::guards::Service;
use harness::image::WHOAMI_NEXT;
use harness::service::ServiceSpec;
use harness::traffic::load::Load;

use super::protocols::{Kind, http2};
use super::swarm::{Routed, kill};
use crate::TASKS;
use crate::rolling::complete;
use crate::tools::{answered, assert_unharmed, during};

/// The host of calls.
const CALLS: &str = "calls.test";

/// Requests of kept connections and of new ones, through all nodes.
fn loads(routed: &Routed) -> [Load; 2] {
    let new = Load {
        rate: 100,
        ..Load::new(routed.everywhere())
    };
    let kept = Load {
        rate: 200,
        kept: Some(12),
        ..new.clone()
    };
    [new, kept]
}

/// Does something under both loads, and under calls of gRPC; nothing fails. How many tasks answered.
fn unharmed(routed: &Routed, what: &str, acts: impl FnOnce() -> Result<()>) -> usize {
    let (swarm, peers) = (&routed.test.swarm, routed.everywhere());
    let [new, kept] = loads(routed);
    let calls = (CALLS, Kind::Grpc);
    let with_calls = || beside(|stop| http2(swarm, &peers, calls, stop), acts);
    let with_kept = || Ok(during(swarm, &swarm.client, &kept, with_calls));
    let (beside_new, by_new, lost) = during(swarm, &swarm.client, &new, with_kept);
    let (((), by_calls), by_kept, _) = beside_new;
    assert_unharmed(&format!("{what}, kept connections"), &by_kept, u64::MAX);
    assert_unharmed(&format!("{what}, new connections"), &by_new, lost);
    by_calls.assert_unharmed(&format!("{what}, gRPC"));
    answered(&by_kept).union(&answered(&by_new)).count()
}

/// A service with four tasks, which answers on every node. Clients ask for the address of the node, as they know no name here;
/// their calls of gRPC, which tasks get by HTTP/2, are for a host of their own.
fn web(routed: &Routed) -> Service<'_> {
    let swarm = &routed.test.swarm;
    let nodes = swarm.nodes.iter();
    let hosts: Vec<String> = nodes.map(|node| node.addr.to_string()).collect();
    let label = |what: &str| format!("traefik.http.services.calls.loadbalancer.server.{what}");
    let rule = format!("Host(`{CALLS}`)");
    let spec = ServiceSpec::named("web")
        .replicas(4)
        .label("com.docker.lb.hosts", &hosts.join(","))
        .label("com.docker.lb.port", "80")
        .label("traefik.http.routers.calls.rule", &rule)
        .label(&label("port"), "80")
        .label(&label("scheme"), "h2c")
        .option("--update-delay", "1s")
        .option("--update-monitor", "1s");
    let service = swarm.service_create(&spec).unwrap();
    service.wait_for_tasks(4, TASKS).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    service
}

/// `docker service update options…` of the agents.
pub(super) fn update_agents(routed: &Routed, options: &[&str]) -> Result<()> {
    let update = ["service", "update", "--no-resolve-image"];
    let manager = routed.test.swarm.manager()?;
    manager.docker(&[&update[..], options, &[AGENTS]].concat())?;
    Ok(())
}

#[test]
fn no_request_fails_while_tasks_routers_and_agents_change() {
    let Some(routed) = Routed::up("lbrupd") else {
        return;
    };
    let swarm = &routed.test.swarm;
    let service = web(&routed);
    let settle = || {
        service.wait_for_tasks(4, TASKS)?;
        std::thread::sleep(Duration::from_secs(1));
        Ok(())
    };
    for (order, image) in [("start-first", WHOAMI_NEXT), ("stop-first", "whoami:1")] {
        let tasks = unharmed(&routed, &format!("{order} update"), || {
            service.update(&["--update-order", order, "--image", image])?;
            complete(swarm, &service);
            settle()
        });
        assert_eq!(tasks, 8, "tasks of both versions answered");
    }
    unharmed(&routed, "scaling", || {
        service.update(&["--replicas", "8"])?;
        service.wait_for_tasks(8, TASKS)?;
        std::thread::sleep(Duration::from_secs(1));
        service.update(&["--replicas", "4"])?;
        settle()
    });
    unharmed(&routed, "update of the routers", || {
        routed.update(&["--force"]);
        settle()
    });
    unharmed(&routed, "update of the agents", || {
        update_agents(&routed, &["--force"])?;
        settle()
    });
    // What is under way in a process that is killed is lost; nobody who comes then is refused.
    let [new, _] = loads(&routed);
    let (_, report, _) = during(swarm, &swarm.client, &new, || {
        for node in &swarm.nodes {
            kill(node)?;
            std::thread::sleep(Duration::from_secs(4));
        }
        settle()
    });
    println!(
        "routers killed: {} failed, slowest {:?}",
        report.failed, report.slowest
    );
    assert!(report.failed <= 3, "{:#?}", report.failures);
}

/// By eBPF tasks have IPv4 addresses then; by IPVS they always have. It takes two minutes: `cargo xtask test` leaves it out, and
/// `cargo xtask test --suite swarm` runs it.
#[test]
fn no_request_fails_while_tasks_and_agents_change_on_nodes_without_ipv6() {
    let Some(routed) = Routed::up("lbrno6") else {
        return;
    };
    let swarm = &routed.test.swarm;
    let family = "SWARMLB_TASK_ADDRESS_FAMILY=ipv4";
    update_agents(&routed, &["--env-add", family]).unwrap();
    swarm.wait_for_agents().unwrap();
    let service = web(&routed);
    for node in &swarm.nodes {
        let url = format!("http://{}/", node.addr);
        let told = node.lbctl(&["explain", &url]).unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        let by_ipv4 = [", 252.", ", 253."].map(|begin| told.matches(begin).count());
        assert_eq!(by_ipv4.iter().sum::<usize>(), 4, "{told}");
    }
    let settle = || {
        service.wait_for_tasks(4, TASKS)?;
        std::thread::sleep(Duration::from_secs(1));
        Ok(())
    };
    let tasks = unharmed(&routed, "update, without IPv6", || {
        service.update(&["--update-order", "start-first", "--image", WHOAMI_NEXT])?;
        complete(swarm, &service);
        settle()
    });
    assert_eq!(tasks, 8, "tasks of both versions answered");
    unharmed(&routed, "update of the agents, without IPv6", || {
        update_agents(&routed, &["--force"])?;
        settle()
    });
}
