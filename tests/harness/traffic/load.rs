//! Steady load, bounded in rate and time, with every failure kept.
//!
//! A test runs it while it does something to the Swarm, and then asks what failed. New
//! connections come by the clock, whether or not earlier ones were answered (an open loop):
//! while nothing answers, as many fail as would have been answered. On a slow machine it is less
//! ([`slow`]).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::http::Connection;
pub use super::report::{Failure, Report};
use crate::slow;
use crate::who::Who;

/// More requests at once would be this machine's trouble, not the Swarm's.
const AT_ONCE: usize = 8000;

/// Addresses to call, rate, and longest duration of a load.
#[derive(Clone, Debug)]
pub struct Load {
    /// Asked in turn.
    pub peers: Vec<SocketAddr>,
    /// Host that requests ask for; without one, the address that is called.
    pub host: Option<String>,
    /// Requests per second, of all together.
    pub rate: u32,
    /// A connection of its own for each request; or so many connections that are kept, each
    /// of which asks again once it has its answer.
    pub kept: Option<u32>,
    /// A request that takes longer has failed.
    pub timeout: Duration,
    /// The load ends by then, whatever happens.
    pub at_most: Duration,
}

impl Load {
    /// New connections, 500 a second, no longer than two minutes.
    #[must_use]
    pub fn new(peers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            peers: peers.into_iter().collect(),
            host: None,
            rate: 500,
            kept: None,
            timeout: Duration::from_secs(5),
            at_most: Duration::from_secs(120),
        }
    }
}

/// Asks until `stop` is set or the load's time is over.
pub async fn run(load: &Load, stop: &Arc<AtomicBool>) -> Report {
    let begin = Instant::now();
    let mut report = match load.kept {
        None => arrivals(load, begin, stop).await,
        Some(connections) => workers(load, connections, begin, stop).await,
    };
    report.begun = Some(begin);
    report
}

/// New connections by the clock; none that is due is left out.
async fn arrivals(load: &Load, begin: Instant, stop: &AtomicBool) -> Report {
    let mut report = Report::default();
    let mut open = JoinSet::new();
    let mut ticks = ticks(load.rate, MissedTickBehavior::Burst);
    for peer in load.peers.iter().cycle().copied() {
        let due = ticks.tick().await;
        report.behind = report.behind.max(due.elapsed());
        if over(load, begin, stop) {
            break;
        }
        let (asked, timeout) = (Instant::now(), load.timeout);
        if open.len() < AT_ONCE {
            let host = load.host.clone();
            open.spawn(async move {
                let result = ask(peer, host.as_deref(), &mut None, timeout).await;
                (asked, peer, result)
            });
        } else {
            report.add(
                begin,
                (asked, peer, Err(anyhow!("too many are unanswered"))),
            );
        }
        while let Some(finished) = open.try_join_next() {
            report.finished(begin, finished);
        }
    }
    while let Some(finished) = open.join_next().await {
        report.finished(begin, finished);
    }
    report
}

/// Connections that are kept.
async fn workers(load: &Load, count: u32, begin: Instant, stop: &Arc<AtomicBool>) -> Report {
    let mut workers = JoinSet::new();
    for number in 0..count {
        workers.spawn(work(load.clone(), count, number, begin, stop.clone()));
    }
    let mut report = Report::default();
    while let Some(finished) = workers.join_next().await {
        match finished {
            Ok(part) => report.merge(part),
            Err(error) => report.ended(begin, &error),
        }
    }
    report
}

async fn work(
    load: Load,
    count: u32,
    number: u32,
    begin: Instant,
    stop: Arc<AtomicBool>,
) -> Report {
    let mut report = Report::default();
    let mut kept: Option<Connection> = None;
    // A stall is not made up for by a burst.
    let mut ticks = ticks(load.rate / count.max(1), MissedTickBehavior::Delay);
    let skipped = usize::try_from(number).unwrap_or_default() % load.peers.len().max(1);
    for peer in load.peers.iter().cycle().skip(skipped).copied() {
        ticks.tick().await;
        if over(&load, begin, &stop) {
            break;
        }
        let asked = Instant::now();
        let result = ask(peer, load.host.as_deref(), &mut kept, load.timeout).await;
        if result.is_err() {
            kept = None;
        }
        report.add(begin, (asked, peer, result));
    }
    report
}

async fn ask(
    peer: SocketAddr,
    host: Option<&str>,
    kept: &mut Option<Connection>,
    timeout: Duration,
) -> Result<Who> {
    kept.take_if(|connection| connection.has_ended());
    let connection = match kept {
        Some(connection) => connection,
        None => {
            let opened = Connection::open(peer, timeout).await?;
            kept.insert(match host {
                Some(host) => opened.for_host(host),
                None => opened,
            })
        }
    };
    connection.who().await
}

fn ticks(rate: u32, missed: MissedTickBehavior) -> tokio::time::Interval {
    let pause = Duration::from_secs(1) / slow::fewer(rate);
    let mut ticks = tokio::time::interval(pause.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(missed);
    ticks
}

fn over(load: &Load, begin: Instant, stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed) || begin.elapsed() >= slow::longer(load.at_most)
}
