//! Delay until a node's agent knows of a change, and memory of a manager's agent meanwhile.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use harness::acceptance::served;
use harness::guards::Service;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use serde_json::Value;

/// Changes whose times are compared: so many at the least, and for so long. In an emulated machine each
/// takes seconds, and what they may be late by is longer.
const CHANGES: usize = 9;
const CHANGES_EMULATED: usize = 3;
const LASTS: Duration = Duration::from_secs(4);
/// A view that is so late does not come.
const NEVER: Duration = Duration::from_secs(10);
/// By so much views are later during an attack at the most: the median of them.
const LATER: Duration = Duration::from_millis(100);
/// And each of them. The attacker, who asks, three engines and all agents share the processors of one machine, two in CI: now
/// and then one of them waits for some hundred milliseconds, also without an attack. What an attack itself makes wait, by a
/// limit of rates, a session that is lost (3 s) or memory, takes longer, or meets most views.
const LATEST: Duration = Duration::from_secs(1);

/// Times from changes to when a node knew of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delays {
    /// Number of changes.
    changes: usize,
    median: Duration,
    longest: Duration,
}

impl Delays {
    fn of(mut delays: Vec<Duration>) -> Result<Self> {
        delays.sort();
        let median = delays.get(delays.len() / 2).copied();
        Ok(Self {
            changes: delays.len(),
            median: median.context("no change")?,
            longest: delays.last().copied().context("no change")?,
        })
    }

    /// During what was done, views were hardly later than without it.
    #[track_caller]
    pub(crate) fn assert_hardly_later_than(&self, usual: &Self) {
        println!("views usually took {usual:?}, and then {self:?}");
        assert!(
            self.median <= usual.median + slow::longer(LATER),
            "half of {} views take {:?} or longer, and {:?} usually",
            self.changes,
            self.median,
            usual.median
        );
        assert!(
            self.longest <= usual.median + slow::longer(LATEST),
            "one of {} views takes {:?}, and half of {} take {:?} usually",
            self.changes,
            self.longest,
            usual.changes,
            usual.median
        );
    }
}

/// A service that is changed to see how soon a worker knows.
pub(crate) struct Viewed<'a> {
    node: &'a Node,
    ports: [u16; 2],
    changed: usize,
    service: Service<'a>,
}

impl<'a> Viewed<'a> {
    /// Changed between these two ports, and looked at from this node.
    pub(crate) fn from(swarm: &'a Swarm, node: &'a Node, ports: [u16; 2]) -> Self {
        let spec = ServiceSpec::named(&format!("viewed-{}", ports[0]))
            .label("swarmlb.publish", &format!("{}:80", ports[0]));
        let (service, _) = served(swarm, &spec, 1);
        Self {
            node,
            ports,
            changed: 0,
            service,
        }
    }

    /// Changes it again and again: how long after the engine has taken a change the node knows of it.
    pub(crate) fn delays(&mut self) -> Result<Delays> {
        let (begin, mut delays) = (Instant::now(), Vec::new());
        let changes = if slow::factor() > 1 {
            CHANGES_EMULATED
        } else {
            CHANGES
        };
        while delays.len() < changes || begin.elapsed() < LASTS {
            delays.push(self.change()?);
        }
        Delays::of(delays)
    }

    fn change(&mut self) -> Result<Duration> {
        self.changed += 1;
        let port = self.ports[self.changed % 2];
        let label = format!("swarmlb.publish={port}:80");
        self.service.update(&["--label-add", &label])?;
        let taken = Instant::now();
        // The engine's command ends a moment after the change is made: known sooner is known at once.
        while !self.is_known(port)? {
            anyhow::ensure!(
                taken.elapsed() < slow::longer(NEVER),
                "{} does not know of port {port} after {:?}",
                self.node.name,
                taken.elapsed()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(taken.elapsed())
    }

    fn is_known(&self, port: u16) -> Result<bool> {
        let told = self.node.agent_api("/v1/services")?;
        let services = told.get("services").and_then(Value::as_array);
        let own = services.into_iter().flatten().find(|service| {
            service.get("id").and_then(Value::as_str) == Some(self.service.id.as_str())
        });
        let ports = own.and_then(|service| service.get("ports")?.as_array());
        Ok(ports
            .into_iter()
            .flatten()
            .any(|known| known.get("published").and_then(Value::as_u64) == Some(port.into())))
    }
}

/// The memory of a process, from now on.
pub(crate) struct Memory {
    pid: u32,
    before: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        // The highest so far is forgotten (man proc: clear_refs, 5).
        fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        let before = kilobytes(pid, "VmRSS:")?;
        Ok(Self { pid, before })
    }

    /// Megabytes that it took more than at the beginning, at the highest.
    pub(crate) fn grown(&self) -> Result<u64> {
        Ok(kilobytes(self.pid, "VmHWM:")?.saturating_sub(self.before) / 1024)
    }
}

fn kilobytes(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} has ended"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let words = line.and_then(|line| line.split_whitespace().next());
    Ok(words.context("no such figure")?.parse()?)
}
