//! Report of a load: answers by task, and failures with their times and reasons.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinError;

use crate::who::Who;

/// Failures kept in full; further ones are only counted.
const SHOWN_FAILURES: usize = 5000;
/// An answer that took longer is kept like a failure: TCP sends a lost packet again after a
/// second at the soonest, and after three.
const SLOW: Duration = Duration::from_millis(700);
/// After which TCP sends a SYN again (Linux: `TCP_TIMEOUT_INIT`).
const RESENT: Duration = Duration::from_secs(1);
/// When what was asked, and what came of it.
pub(super) type Asked = (Instant, SocketAddr, Result<Who>);

/// A request that failed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// When it was asked, from the beginning of the load.
    pub asked: Duration,
    /// Time from the request to the failure.
    pub after: Duration,
    /// Address that was called.
    pub peer: Option<SocketAddr>,
    /// Why.
    pub why: String,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} + {:?}: {}", self.asked, self.after, self.why)
    }
}

/// An answer that came late.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slow {
    /// When it was asked, from the beginning of the load.
    pub asked: Duration,
    /// Time from the request to the answer.
    pub took: Duration,
    /// Address that was called.
    pub peer: SocketAddr,
    /// The task that answered.
    pub task: String,
}

/// Answers and failures of a load.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// When the load began, once it is over.
    pub begun: Option<Instant>,
    /// Answers, by the task that gave them.
    pub answers: BTreeMap<String, u64>,
    /// Answers, by whom was asked.
    pub through: BTreeMap<SocketAddr, u64>,
    /// When each task first answered, from the beginning of the load.
    pub first_answer: BTreeMap<String, Duration>,
    /// When each task was last asked something that it answered, likewise.
    pub last_asked: BTreeMap<String, Duration>,
    /// The number of failed requests.
    pub failed: u64,
    /// The first failures.
    pub failures: Vec<Failure>,
    /// The longest request that succeeded.
    pub slowest: Duration,
    /// The longest time by which a new connection was opened later than it was due: where this is long, the client
    /// had no processor, and what came late or failed may be the machine's.
    pub behind: Duration,
    /// The first answers that came late.
    pub slow: Vec<Slow>,
    /// SYNs that the client's kernel sent again meanwhile, if that was counted.
    pub syns_sent_again: Option<u64>,
}

impl Report {
    /// Requests that were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    /// The answers that came late, a line each, with when their tasks first answered and were last
    /// asked: for whoever looks for the cause.
    pub fn late(&self) -> impl Iterator<Item = String> {
        self.slow.iter().map(|slow| {
            let first = self.first_answer.get(&slow.task);
            let last = self.last_asked.get(&slow.task);
            format!("{slow:?}, whose task answered from {first:?} to {last:?}")
        })
    }

    /// First packets of these requests that were sent again. An answer is so late only with a SYN that is, after a
    /// second; but a busy machine can be as late without one.
    #[must_use]
    pub fn resent(&self) -> u64 {
        let late = self.later_than(RESENT);
        self.syns_sent_again.map_or(late, |again| again.min(late))
    }

    /// The number of answers that took `bound` or longer, which is more than 700 ms: faster ones are not recorded one by one.
    #[must_use]
    pub fn later_than(&self, bound: Duration) -> u64 {
        self.slow.iter().filter(|slow| slow.took >= bound).count() as u64
    }

    pub(super) fn add(&mut self, begin: Instant, (asked, peer, result): Asked) {
        match result {
            Ok(who) => {
                let task = who.task.unwrap_or(who.hostname);
                self.first_answer
                    .entry(task.clone())
                    .or_insert_with(|| begin.elapsed());
                self.last_asked.insert(task.clone(), asked - begin);
                *self.answers.entry(task.clone()).or_default() += 1;
                *self.through.entry(peer).or_default() += 1;
                let took = asked.elapsed();
                self.slowest = self.slowest.max(took);
                if took > SLOW && self.slow.len() < SHOWN_FAILURES {
                    self.slow.push(Slow {
                        asked: asked - begin,
                        took,
                        peer,
                        task,
                    });
                }
            }
            Err(error) => {
                self.fail(Failure {
                    asked: asked - begin,
                    after: asked.elapsed(),
                    peer: Some(peer),
                    why: format!("{error:#}"),
                });
            }
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failed += 1;
        if self.failures.len() < SHOWN_FAILURES {
            self.failures.push(failure);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (task, count) in other.answers {
            *self.answers.entry(task).or_default() += count;
        }
        for (peer, count) in other.through {
            *self.through.entry(peer).or_default() += count;
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
        self.behind = self.behind.max(other.behind);
        self.slow.extend(other.slow);
        self.slow.sort();
        self.slow.truncate(SHOWN_FAILURES);
    }

    pub(super) fn finished(&mut self, begin: Instant, finished: Result<Asked, JoinError>) {
        match finished {
            Ok(asked) => self.add(begin, asked),
            Err(error) => self.ended(begin, &error),
        }
    }

    pub(super) fn ended(&mut self, begin: Instant, error: &JoinError) {
        self.fail(Failure {
            asked: begin.elapsed(),
            after: Duration::ZERO,
            peer: None,
            why: format!("a worker ended: {error}"),
        });
    }
}
