//! A client's way to a task itself: by its address on `docker_gwbridge`, past everything that
//! balances. What the machine gives without it.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::node::Node;
use crate::service::Task;
use crate::swarm::Swarm;

/// A task's address on its node's `docker_gwbridge`. An error where the task has no container,
/// or none on that bridge.
pub fn bridge_address(node: &Node, task: &Task) -> Result<Ipv4Addr> {
    let container = task
        .container
        .as_deref()
        .context("a task without a container")?;
    let format = "{{json .Containers}}";
    let containers = node.docker(&["network", "inspect", "docker_gwbridge", "--format", format])?;
    let containers: Value = serde_json::from_str(&containers)?;
    let address = containers
        .pointer(&format!("/{container}/IPv4Address"))
        .and_then(Value::as_str)
        .and_then(|address| address.split('/').next())
        .with_context(|| format!("{container} is not on docker_gwbridge: {containers}"))?;
    Ok(address.parse()?)
}

/// The client's way to the address of a task of `node`, past Docker's rules against it, by
/// way of `via`.
pub fn route(swarm: &Swarm, node: &Node, task: Ipv4Addr, via: &Node) -> Result<()> {
    let hop = via.addr;
    swarm
        .client
        .netns()
        .ip(&format!("route add {task}/32 via {hop}"))?;
    let task = task.to_string();
    for at in [node, via] {
        for end in ["-d", "-s"] {
            at.exec(
                "iptables",
                &["-I", "DOCKER-USER", end, &task, "-j", "ACCEPT"],
            )?;
        }
        // Engines since 28 drop it before anything else is asked.
        let raw = ["-t", "raw", "-I", "PREROUTING", "-d", &task, "-j", "ACCEPT"];
        at.exec("iptables", &raw)?;
    }
    Ok(())
}

/// From `hop` on to a task of `node`, and back the same way.
pub fn lead_around(node: &Node, hop: &Node, task: Ipv4Addr) -> Result<()> {
    // For what comes from outside only: a task of the hop may have the same address there.
    hop.netns
        .ip(&format!("rule add to {task} iif eth0 lookup 100"))?;
    hop.netns
        .ip(&format!("route add {task}/32 via {} table 100", node.addr))?;
    node.netns.ip(&format!("rule add from {task} lookup 100"))?;
    node.netns
        .ip(&format!("route add default via {} table 100", hop.addr))?;
    // Nobody is to learn of the shorter way.
    for at in [node, hop] {
        for device in ["all", "eth0"] {
            let setting = format!("echo 0 > /proc/sys/net/ipv4/conf/{device}/send_redirects");
            at.exec("sh", &["-c", &setting])?;
        }
    }
    Ok(())
}
