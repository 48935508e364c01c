//! Steady load, bounded in rate and time, with every failure kept.
//!
//! A test runs it while it does something to the Swarm, and then asks what failed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::http::Connection;
use crate::who::Who;

/// Failures kept in full; further ones are only counted.
const SHOWN_FAILURES: usize = 20;

/// What to ask, how often, for how long at most.
#[derive(Clone, Debug)]
pub struct Load {
    /// Asked in turn.
    pub peers: Vec<SocketAddr>,
    /// How many ask at the same time.
    pub workers: u32,
    /// Requests per second of all workers together.
    pub rate: u32,
    /// Whether a worker keeps its connection, or opens one per request.
    pub keep_alive: bool,
    /// A request that takes longer has failed.
    pub timeout: Duration,
    /// The load ends by then, whatever happens.
    pub at_most: Duration,
}

impl Load {
    /// New connections for each request: 8 workers, 500 requests per second together,
    /// no longer than two minutes.
    #[must_use]
    pub fn new(peers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            peers: peers.into_iter().collect(),
            workers: 8,
            rate: 500,
            keep_alive: false,
            timeout: Duration::from_secs(5),
            at_most: Duration::from_secs(120),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Answers, by the task that gave them.
    pub answers: BTreeMap<String, u64>,
    /// When each task first answered, from the beginning of the load.
    pub first_answer: BTreeMap<String, Duration>,
    /// When each task was last asked something that it answered, likewise.
    pub last_asked: BTreeMap<String, Duration>,
    /// The number of failed requests.
    pub failed: u64,
    /// The first failures: when, and why.
    pub failures: Vec<(Duration, String)>,
    /// The longest request that succeeded.
    pub slowest: Duration,
}

impl Report {
    /// Requests that were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    fn add(&mut self, begin: Instant, asked: Instant, result: Result<Who>) {
        match result {
            Ok(who) => {
                let task = who.task.unwrap_or(who.hostname);
                self.first_answer
                    .entry(task.clone())
                    .or_insert_with(|| begin.elapsed());
                self.last_asked.insert(task.clone(), asked - begin);
                *self.answers.entry(task).or_default() += 1;
                self.slowest = self.slowest.max(asked.elapsed());
            }
            Err(error) => {
                self.fail(asked - begin, format!("{error:#}"));
            }
        }
    }

    fn fail(&mut self, when: Duration, why: String) {
        self.failed += 1;
        if self.failures.len() < SHOWN_FAILURES {
            self.failures.push((when, why));
        }
    }

    fn merge(&mut self, other: Self) {
        for (task, count) in other.answers {
            *self.answers.entry(task).or_default() += count;
        }
        for (task, first) in other.first_answer {
            let known = self.first_answer.entry(task).or_insert(first);
            *known = first.min(*known);
        }
        for (task, last) in other.last_asked {
            let known = self.last_asked.entry(task).or_insert(last);
            *known = last.max(*known);
        }
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.sort();
        self.failures.truncate(SHOWN_FAILURES);
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// Asks until `stop` is set or the load's time is over.
pub async fn run(load: &Load, stop: &Arc<AtomicBool>) -> Report {
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for number in 0..load.workers {
        workers.spawn(work(load.clone(), number, begin, stop.clone()));
    }
    let mut report = Report::default();
    while let Some(finished) = workers.join_next().await {
        match finished {
            Ok(part) => report.merge(part),
            Err(error) => report.fail(begin.elapsed(), format!("a worker ended: {error}")),
        }
    }
    report
}

async fn work(load: Load, number: u32, begin: Instant, stop: Arc<AtomicBool>) -> Report {
    let mut report = Report::default();
    let mut kept: Option<Connection> = None;
    let pause = Duration::from_secs(1) * load.workers / load.rate.max(1);
    let mut ticks = tokio::time::interval(pause.max(Duration::from_millis(1)));
    // A stall is not made up for by a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let skipped = usize::try_from(number).unwrap_or_default() % load.peers.len().max(1);
    for peer in load.peers.iter().cycle().skip(skipped) {
        ticks.tick().await;
        if stop.load(Ordering::Relaxed) || begin.elapsed() >= load.at_most {
            break;
        }
        let asked = Instant::now();
        let result = ask(*peer, &mut kept, load.timeout).await;
        if result.is_err() || !load.keep_alive {
            kept = None;
        }
        report.add(begin, asked, result);
    }
    report
}

async fn ask(peer: SocketAddr, kept: &mut Option<Connection>, timeout: Duration) -> Result<Who> {
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(Connection::open(peer, timeout).await?),
    };
    connection.who().await
}
