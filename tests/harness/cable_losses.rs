//! Packets that the laboratory's own cables lost.
//!
//! With XDP, a veth device holds 256 packets for its reader (kernel: drivers/net/veth.c,
//! `VETH_RING_SIZE`). On a machine whose processors are busy with other things, a download
//! fills that in milliseconds, and whatever comes then is lost, as from a card whose ring is full.
//! A SYN is sent again after a second: a test that finds a request so late wants to know.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::netns::Netns;
use crate::shell;
use crate::swarm::Swarm;
use crate::topology::{client_netns, node_netns, switch_netns};

/// A device, as `ip -s -j link` shows it.
#[derive(Deserialize)]
struct Link {
    ifname: String,
    stats64: Stats,
}

#[derive(Deserialize)]
struct Stats {
    tx: Sent,
}

#[derive(Deserialize)]
struct Sent {
    dropped: u64,
}

/// Packets that all cables of the laboratory lost since they are there.
pub fn count(swarm: &Swarm) -> Result<u64> {
    Ok(by_cables(swarm)?.values().sum())
}

/// Packets that each end of a cable has lost of those it sent; ends that lost none are left out.
/// Named after the namespace's role and the device: `switch/node2` is the way to node 2.
pub fn by_cables(swarm: &Swarm) -> Result<BTreeMap<String, u64>> {
    let prefix = &swarm.description().prefix;
    let mut lost = BTreeMap::new();
    let mut count = |netns: Netns, wires: &dyn Fn(&str) -> bool| -> Result<()> {
        let links = shell::stdout(netns.command("ip").args(["-s", "-j", "link"]))?;
        let links: Vec<Link> = serde_json::from_str(&links)
            .with_context(|| format!("the devices of {}", netns.name()))?;
        let end = netns.name().strip_prefix(prefix.as_str());
        let end = end.unwrap_or_default().trim_start_matches('-');
        for link in links {
            let dropped = link.stats64.tx.dropped;
            if dropped > 0 && wires(&link.ifname) {
                lost.insert(format!("{end}/{}", link.ifname), dropped);
            }
        }
        Ok(())
    };
    count(switch_netns(prefix), &|device| device != "br0")?;
    count(client_netns(prefix), &|device| device == "eth0")?;
    for number in 1..=swarm.description().nodes {
        count(node_netns(prefix, number), &|device| device == "eth0")?;
    }
    Ok(lost)
}
