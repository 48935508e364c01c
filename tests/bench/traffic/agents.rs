//! What the agents need of their machines.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use harness::swarm::Swarm;

use crate::figures::{Cell, Row};

/// Watches the agents that there are for so long.
pub(super) fn watch(swarm: &Swarm, when: &str, lasts: Duration) -> Result<Vec<Row>> {
    let agents: Vec<_> = swarm
        .nodes
        .iter()
        .filter_map(|node| Some((&node.name, node.agent_pid().ok()?)))
        .collect();
    // What has just happened shall be over.
    sleep(Duration::from_secs(3));
    let begin = Instant::now();
    let before: Vec<_> = agents.iter().map(|(_, pid)| busy(*pid)).collect();
    sleep(lasts);
    let watched = begin.elapsed().as_secs_f64();
    let mut rows = Vec::new();
    for ((name, pid), before) in agents.into_iter().zip(before) {
        let spent = busy(pid)?.saturating_sub(before?);
        rows.push(Row {
            name: format!("{when}: {name}"),
            cells: vec![
                Cell::Number(resident(pid)? / 1e6, 1),
                Cell::Number(spent.as_secs_f64() / watched * 100.0, 2),
                Cell::Number(maps(pid)? / 1e6, 0),
            ],
        });
    }
    Ok(rows)
}

/// Time on a CPU, of all threads.
fn busy(pid: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split(' ').next().context("an empty schedstat")?;
        nanoseconds += first.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Bytes of memory, as `ps` has them.
fn resident(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kilobytes.parse::<f64>()? * 1024.0)
}

/// Bytes of the maps that it has handles of: the kernel's memory, not the agent's.
fn maps(pid: u32) -> Result<f64> {
    let mut sizes = BTreeMap::new();
    for file in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        // Handles come and go.
        let text = fs::read_to_string(file?.path()).unwrap_or_default();
        let value = |name: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line?.trim().parse().ok()
        };
        if let (Some(id), Some(bytes)) = (value("map_id:"), value("memlock:")) {
            sizes.insert(id, bytes);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "megabytes to be")]
    Ok(sizes.values().sum::<u64>() as f64)
}
