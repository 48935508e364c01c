//! Requests that fail while all tasks behind a proxy are replaced, two at a time, as the Swarm does in an update of a service.
//!
//! The tasks are processes on addresses of their own in a namespace, and the proxy is told of them by the way that it has for that
//! (`updated`). What each is told, and when, is in docs/bench.md.

mod configurations;
mod tasks;
mod updated;

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::beside::beside;
use harness::client::{Client, PATIENCE};
use harness::netns::Netns;
use harness::traffic::kept::{self, KeptLoad};
use harness::traffic::load::Load;
use nix::sys::signal::Signal;

use super::proxies::{GoProxies, Proxy};
use super::site::HOST;
use crate::effort::Effort;
use tasks::{Target, Task};
use updated::Updated;

/// Tasks of the service.
pub(super) const TASKS: u8 = 6;
/// Tasks that are replaced at a time (`--update-parallelism`).
const AT_A_TIME: u8 = 2;
/// New connections a second, each for one request.
const NEW_RATE: u32 = 100;
/// Connections that are kept.
const KEPT: u32 = 8;
/// Requests a second on these, together.
const KEPT_RATE: u32 = 100;
/// Time from when a proxy is told that a task leaves to the task's signal, where it is told ahead. Set, not measured: the engine
/// waits 2 s before it signals (docs/adr/0013), and a manager's agent reads the Swarm's lists once a second at least, so that
/// agents and routers have about a second, ten times as long as this.
const AHEAD: Duration = Duration::from_millis(100);
/// Time from a task's SIGTERM to its SIGKILL: the engine's, without `--stop-grace-period`.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Reasons of failures that are shown for each load of an update.
const SHOWN: usize = 3;

/// Whether an update starts tasks before it ends those that they replace (`--update-order`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// New tasks start first.
    StartFirst,
    /// Old tasks end first.
    StopFirst,
}

impl Order {
    const ALL: [Self; 2] = [Self::StartFirst, Self::StopFirst];

    /// As Docker's command line has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::StartFirst => "start-first",
            Self::StopFirst => "stop-first",
        }
    }
}

/// What clients saw of one update.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Requests, answered or not.
    pub(super) requests: u64,
    /// Requests that were not answered by 200 within 5 s, and connections that were not made.
    pub(super) failed: u64,
    /// The longest request that succeeded.
    pub(super) slowest: Duration,
    /// Kept connections that the proxy ended.
    pub(super) closed: u64,
}

/// The updates behind a proxy, by one order.
pub(super) struct Updates {
    pub(super) proxy: Proxy,
    pub(super) order: Order,
    pub(super) outcomes: Vec<Outcome>,
}

/// Measures all proxies in turn, round by round.
pub(super) fn measure(go: &GoProxies, effort: Effort) -> Result<Vec<Updates>> {
    let netns = Netns::create(&format!("lbroll{}", std::process::id()))?;
    let orders: &[Order] = if effort.both_orders {
        &Order::ALL
    } else {
        &[Order::StartFirst]
    };
    let mut all = Vec::new();
    for proxy in go.participants() {
        all.extend(orders.iter().map(|order| Updates {
            proxy,
            order: *order,
            outcomes: Vec::new(),
        }));
    }
    for _ in 0..effort.updates {
        for updates in &mut all {
            let Updates { proxy, order, .. } = *updates;
            let outcome = update(&netns, proxy, go, order, effort.update_pause);
            let what = || format!("{} update behind {}", order.name(), proxy.name());
            updates.outcomes.push(outcome.with_context(what)?);
        }
    }
    Ok(all)
}

/// Starts tasks and a proxy, and replaces the tasks under load.
fn update(
    netns: &Netns,
    proxy: Proxy,
    go: &GoProxies,
    order: Order,
    pause: Duration,
) -> Result<Outcome> {
    let mut tasks = started(netns, "old", 0..TASKS)?;
    let mut updated = Updated::start(netns, proxy, go, &view(&tasks, &[]))?;
    let [port, _] = proxy.ports();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let new = Load {
        host: Some(HOST.to_owned()),
        rate: NEW_RATE,
        timeout: PATIENCE,
        ..Load::new([peer])
    };
    let kept = KeptLoad {
        peer,
        host: HOST.to_owned(),
        connections: KEPT,
        rate: KEPT_RATE,
        timeout: PATIENCE,
    };
    let replacing = || {
        sleep(pause);
        replace(netns, order, &mut updated, &mut tasks, pause)
    };
    let with_kept = || {
        beside(
            |stop| netns.block_on(async { Ok(kept::run(&kept, stop).await) }),
            replacing,
        )
    };
    let (((), by_kept), by_new) = Client::new(netns.clone()).during(&new, with_kept)?;
    let reasons = by_new.failures.iter().map(|failure| failure.why.as_str());
    let reasons = reasons.take(SHOWN);
    for why in reasons.chain(by_kept.failures.iter().map(String::as_str).take(SHOWN)) {
        eprintln!("{}, {}: {why}", proxy.name(), order.name());
    }
    // A proxy that was not told would show in failures what is not its own.
    for task in &tasks {
        let answered = by_new.answers.contains_key(task.name());
        ensure!(answered, "task {} got no request", task.name());
    }
    Ok(Outcome {
        requests: by_new.answered() + by_new.failed + by_kept.requests,
        failed: by_new.failed + by_kept.failed,
        slowest: by_new.slowest.max(by_kept.slowest),
        closed: by_kept.closed,
    })
}

/// Replaces all tasks; those that are there stand in the order in which they started.
fn replace(
    netns: &Netns,
    order: Order,
    proxy: &mut Updated<'_>,
    tasks: &mut Vec<Task>,
    pause: Duration,
) -> Result<()> {
    for first in (0..TASKS).step_by(usize::from(AT_A_TIME)) {
        let next = || started(netns, "new", first..first + AT_A_TIME);
        let old: Vec<Task> = tasks.drain(..usize::from(AT_A_TIME)).collect();
        match order {
            Order::StartFirst => {
                tasks.extend(next()?);
                proxy.tell(&view(tasks, &old))?;
                sleep(AHEAD);
                signal(&old)?;
            }
            Order::StopFirst if proxy.is_told_ahead() => {
                proxy.tell(&view(tasks, &old))?;
                sleep(AHEAD);
                signal(&old)?;
            }
            Order::StopFirst => {
                signal(&old)?;
                proxy.tell(&view(tasks, &old))?;
            }
        }
        for task in old {
            task.wait_for_end(STOP_GRACE)?;
        }
        proxy.tell(&view(tasks, &[]))?;
        if order == Order::StopFirst {
            tasks.extend(next()?);
            proxy.tell(&view(tasks, &[]))?;
        }
        sleep(pause);
    }
    Ok(())
}

/// Starts tasks of these numbers; returns when all accept connections.
fn started(netns: &Netns, version: &str, numbers: std::ops::Range<u8>) -> Result<Vec<Task>> {
    let tasks = numbers.map(|number| Task::start(netns, version, number));
    let tasks = tasks.collect::<Result<Vec<Task>>>()?;
    for task in &tasks {
        task.wait(netns)?;
    }
    Ok(tasks)
}

/// Sends the tasks their signal to stop.
fn signal(tasks: &[Task]) -> Result<()> {
    tasks
        .iter()
        .try_for_each(|task| task.signal(Signal::SIGTERM))
}

/// The tasks as a proxy is told of them.
fn view(stay: &[Task], leave: &[Task]) -> Vec<Target> {
    let leaving = leave.iter().map(|task| Target {
        leaving: true,
        ..task.target()
    });
    stay.iter().map(Task::target).chain(leaving).collect()
}
