//! Memory and CPU time of the agents, and of the engines that they ask.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use harness::node::Node;
use harness::swarm::Swarm;

use crate::effort::Effort;
use crate::figures::{Cell, Row};

/// Of `/proc/PID/stat` (`USER_HZ` is 100 everywhere).
const TICK: Duration = Duration::from_millis(10);

/// The title of each cell of [`watch`].
pub(super) const COLUMNS: [&str; 5] = [
    "when, where",
    "resident MB",
    "CPU %",
    "maps MB (kernel)",
    "engine's CPU %",
];

/// Watches the agents that there are, and all engines.
pub(super) fn watch(swarm: &Swarm, when: &str, effort: Effort) -> Result<Vec<Row>> {
    let nodes = swarm.nodes.iter().map(Watched::new);
    let nodes: Vec<_> = nodes.collect::<Result<_>>()?;
    sleep(effort.settle);
    let begin = Instant::now();
    let before: Vec<_> = nodes.iter().map(Watched::busy).collect::<Result<_>>()?;
    sleep(effort.idle);
    let watched = begin.elapsed().as_secs_f64();
    let percent = |spent: Duration| Cell::Number(spent.as_secs_f64() / watched * 100.0, 2);
    let mut rows = Vec::new();
    for (node, (agent, engine)) in nodes.iter().zip(before) {
        let (agent_now, engine_now) = node.busy()?;
        let mut cells = match node.agent {
            Some(pid) => vec![
                Cell::Number(resident(pid)? / 1e6, 1),
                percent(agent_now.saturating_sub(agent)),
                Cell::Number(maps(pid)? / 1e6, 0),
            ],
            None => vec!["no agent", "", ""]
                .into_iter()
                .map(|word| Cell::Text(word.to_owned()))
                .collect(),
        };
        cells.push(percent(engine_now.saturating_sub(engine)));
        rows.push(Row {
            name: format!("{when}: {}", node.name),
            cells,
        });
    }
    Ok(rows)
}

struct Watched<'a> {
    name: &'a str,
    agent: Option<u32>,
    engine: u32,
}

impl<'a> Watched<'a> {
    fn new(node: &'a Node) -> Result<Self> {
        Ok(Self {
            name: &node.name,
            agent: node.agent_pid().ok(),
            engine: node.engine_pid()?,
        })
    }

    /// Time on a CPU until now, of its agent and of its engine.
    fn busy(&self) -> Result<(Duration, Duration)> {
        let agent = self.agent.map(busy).transpose()?;
        Ok((agent.unwrap_or_default(), busy_with_children(self.engine)?))
    }
}

/// Time on a CPU, with that of children that have ended: an engine starts others to answer.
fn busy_with_children(pid: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may contain anything, and the state: utime to cstime are 11th to 14th.
    let (_, rest) = text.rsplit_once(')').context("no name in stat")?;
    let ticks = rest.split_whitespace().skip(11).take(4);
    let ticks: u32 = ticks.map(str::parse::<u32>).sum::<Result<_, _>>()?;
    Ok(TICK * ticks)
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
