//! Containers of tasks, as places to call from and to attack from.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

use crate::client::Client;
use crate::netns::{Netns, NetnsGuard};
use crate::node::Node;
use crate::service::Task;
use crate::swarm::Swarm;

/// The inside of a task's container: its namespace has a name as long as the guard lives.
pub fn inside(swarm: &Swarm, task: &Task) -> Result<(NetnsGuard, Client)> {
    let node = home(swarm, task)?;
    let container = container(task)?;
    let pid = node.docker(&["inspect", "--format", "{{.State.Pid}}", container])?;
    // Several may be inside of one at the same time.
    static NAMED: AtomicU32 = AtomicU32::new(0);
    let number = NAMED.fetch_add(1, Ordering::Relaxed);
    // A lab removes whatever bears its prefix, should this test not live to do it.
    let short = container.get(..8).unwrap_or(container);
    let name = format!("{}.{short}.{number}", node.client().netns().name());
    let netns = Netns::of_process(&name, pid.trim().parse()?)?;
    Ok((netns, Client::new(Netns::named(&name))))
}

/// The node on which a task runs.
pub fn home<'a>(swarm: &'a Swarm, task: &Task) -> Result<&'a Node> {
    swarm.node(&task.node)
}

/// The id of a task's container.
pub fn container(task: &Task) -> Result<&str> {
    let container = task.container.as_deref();
    container.with_context(|| format!("task {} has no container", task.id))
}

/// The node's address on `docker_gwbridge`: what its tasks' default route is.
pub fn gateway(node: &Node) -> Result<Ipv4Addr> {
    let shown = node.netns.ip("-4 -o addr show dev docker_gwbridge")?;
    first_address(&shown)
        .with_context(|| format!("docker_gwbridge of {} has no address", node.name))
}

/// A task's own address on its node's `docker_gwbridge`.
pub fn address(swarm: &Swarm, task: &Task) -> Result<Ipv4Addr> {
    let gateway = gateway(home(swarm, task)?)?;
    let (netns, _) = inside(swarm, task)?;
    // The address that the kernel would call the bridge from.
    let shown = netns.ip(&format!("-4 -o route get {gateway}"))?;
    let mut words = shown.split_whitespace().skip_while(|word| *word != "src");
    let address = words.nth(1).context("no source address")?;
    Ok(address.parse()?)
}

fn first_address(shown: &str) -> Option<Ipv4Addr> {
    let mut words = shown.split_whitespace().skip_while(|word| *word != "inet");
    words.nth(1)?.split('/').next()?.parse().ok()
}
