//! swarmlb put on the Swarm and taken from it, with one datapath or the other.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use harness::agents::{STACK, dist};
use harness::swarm::Swarm;
use harness::topology::CLIENT;
use harness::{shell, wait};
use serde_json::Value;

use crate::results::Variant;
use crate::tasks::{PATIENCE, Tasks};
use crate::updates::{self, Rolling};

const STACK_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/stack.yml");
/// The place of the datapath's name in that file.
const CHOICE: &str = "${SWARMLB_DATAPATH:-auto}";

/// Is this a datapath that the agent knows?
pub(crate) fn is_known(variant: Variant) -> Result<bool> {
    let help = shell::stdout(Command::new(dist("swarmlb")?).args(["run", "--help"]))?;
    Ok(match variant {
        // The only one of agents that offer no choice.
        Variant::Ebpf => true,
        Variant::Ipvs => help.contains("SWARMLB_DATAPATH") && help.contains("ipvs"),
        Variant::Direct | Variant::Host | Variant::Mesh => false,
    })
}

/// Deploys the stack, and returns once all agents serve all tasks.
pub(crate) fn deploy(
    swarm: &Swarm,
    variant: Variant,
    tasks: &Tasks<'_>,
    rolling: &Rolling<'_>,
) -> Result<()> {
    let name = if variant == Variant::Ipvs {
        "ipvs"
    } else {
        "ebpf"
    };
    let text = fs::read_to_string(STACK_FILE).context(STACK_FILE)?;
    ensure!(text.contains(CHOICE), "{STACK_FILE} offers no datapaths");
    let file = swarm.dir().join("stack.yml");
    fs::write(&file, text.replace(CHOICE, name))?;
    swarm.stack_deploy(Path::new(&file), STACK)?;
    swarm.wait_for_agents()?;
    let report = swarm.manager()?.report(&["status"])?;
    ensure!(
        report.get("datapath").and_then(Value::as_str) == Some(name),
        "the agents serve by another datapath than {name}: {report}"
    );
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
