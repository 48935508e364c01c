//! swarmlb put on the Swarm and taken from it, with one datapath or the other.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use harness::agents::{STACK, dist};
use harness::swarm::Swarm;
use harness::topology::CLIENT;
use harness::{shell, wait};

use crate::place::{PATIENCE, Tasks};
use crate::results::Way;
use crate::updates::{self, Rolling};

const STACK_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/stack.yml");
/// What stands before the agents' environment in that file.
const ENVIRONMENT: &str = "    environment:\n";

/// Is this a datapath that the agent knows?
pub(crate) fn is_known(way: Way) -> Result<bool> {
    let help = shell::stdout(Command::new(dist("swarmlb")?).args(["run", "--help"]))?;
    Ok(match way {
        // The only one of agents that offer no choice.
        Way::Ebpf => true,
        Way::Ipvs => help.contains("SWARMLB_DATAPATH") && help.contains("ipvs"),
        Way::Direct | Way::Host | Way::Mesh => false,
    })
}

/// Deploys the stack, and returns once all agents serve all tasks.
pub(crate) fn deploy(
    swarm: &Swarm,
    way: Way,
    tasks: &Tasks<'_>,
    rolling: &Rolling<'_>,
) -> Result<()> {
    let name = if way == Way::Ipvs { "ipvs" } else { "ebpf" };
    let text = fs::read_to_string(STACK_FILE).context(STACK_FILE)?;
    ensure!(
        text.contains(ENVIRONMENT),
        "{STACK_FILE} has no environment"
    );
    let choice = format!("{ENVIRONMENT}      SWARMLB_DATAPATH: \"{name}\"\n");
    let file = swarm.dir().join("stack.yml");
    fs::write(&file, text.replacen(ENVIRONMENT, &choice, 1))?;
    swarm.stack_deploy(Path::new(&file), STACK)?;
    swarm.wait_for_agents()?;
    for service in &tasks.services {
        swarm.wait_until_served(&service.id, 1, PATIENCE)?;
    }
    swarm.wait_until_served(&rolling.id, updates::TASKS, PATIENCE)?;
    served_by_swarmlb(swarm, true)
}

/// Removes the stack, and returns once the mesh serves again.
pub(crate) fn remove(swarm: &Swarm) -> Result<()> {
    swarm.remove_agents()?;
    served_by_swarmlb(swarm, false)
}

/// Waits until every node's published port is served as said. The mesh hides the client from the
/// task, swarmlb shows it.
pub(crate) fn served_by_swarmlb(swarm: &Swarm, wanted: bool) -> Result<()> {
    let who = if wanted { "swarmlb" } else { "the mesh" };
    for node in &swarm.nodes {
        wait::until(&format!("{who} on {}", node.name), PATIENCE, || {
            let seen = swarm.client.who((node.addr, updates::PORT)).ok();
            Ok(seen
                .filter(|who| (who.peer.ip() == CLIENT) == wanted)
                .map(|_| ()))
        })?;
    }
    Ok(())
}
