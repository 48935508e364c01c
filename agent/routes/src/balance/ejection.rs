//! Passive ejection (Envoy: outlier detection): a task that fails again and again gets no requests for a while.
//!
//! Three failures in a row eject it for 1 s. After that one failure is enough, and ejects it for twice as long as before, up
//! to 30 s; the time is 1 s again when its last ejection has been over for 30 s and it answers. An answer, whatever its
//! status, is no failure: what an application answers is not the router's business.
//!
//! Never more than half of the tasks are ejected, and none if all are: then the reason is hardly theirs.

use super::Candidate;
use std::collections::HashMap;
use std::time::Duration;

/// Failures in a row that eject a task.
const FAILURES: u32 = 3;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How a try ended. An answer that does not come in time is neither, and is not recorded: what is slow may be slow
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The head of an answer came, with any status.
    Answered,
    /// No connection was made, or it ended before the head of an answer.
    Failed,
}

/// What is known of the tasks of a service by the requests of this worker.
#[derive(Clone, Debug, Default)]
pub struct Ejections {
    /// By key. Tasks without failures are not here.
    tasks: HashMap<u64, Task>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Task {
    /// Failures in a row.
    failures: u32,
    /// End of the last ejection.
    until: Duration,
    /// How long the last ejection was.
    length: Duration,
}

impl Ejections {
    /// Takes note of a try. `now` is the time since any start, which stays the same.
    pub fn record(&mut self, key: u64, outcome: Outcome, now: Duration) {
        match outcome {
            Outcome::Answered => {
                // Most tasks are not here.
                let Some(task) = self.tasks.get_mut(&key) else {
                    return;
                };
                task.failures = 0;
                if task.until.saturating_add(LONGEST) <= now || task.length.is_zero() {
                    self.tasks.remove(&key);
                }
            }
            Outcome::Failed => self.tasks.entry(key).or_default().fail(now),
        }
    }

    /// Takes `ready` from the candidates that are ejected: of those that are ready, at most half, from the one that is
    /// ejected for longest on; and none where all are.
    pub fn apply(&self, candidates: &mut [Candidate], now: Duration) {
        if self.tasks.is_empty() {
            return;
        }
        let ready = candidates.iter().filter(|it| it.ready).count();
        let ejected = candidates.iter_mut().filter(|it| it.ready);
        let ejected = ejected.filter_map(|it| Some((self.until(it.key, now)?, it)));
        let mut ejected: Vec<(Duration, &mut Candidate)> = ejected.collect();
        if ejected.len() == ready {
            return;
        }
        // By key where the time is the same, so that a list's order does not matter.
        ejected.sort_by_key(|(until, it)| (std::cmp::Reverse(*until), it.key));
        for (_, candidate) in ejected.into_iter().take(ready / 2) {
            candidate.ready = false;
        }
    }

    /// Forgets the tasks that are gone.
    pub fn retain(&mut self, is_there: impl Fn(u64) -> bool) {
        self.tasks.retain(|key, _| is_there(*key));
    }

    /// Until when a task is ejected, if it is now.
    fn until(&self, key: u64, now: Duration) -> Option<Duration> {
        let until = self.tasks.get(&key)?.until;
        (until > now).then_some(until)
    }
}

impl Task {
    fn fail(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        // Requests that were under way when it was ejected say nothing new.
        if self.until > now {
            return;
        }
        let again = !self.length.is_zero();
        if self.failures >= FAILURES || again {
            let length = if again {
                self.length.saturating_mul(2)
            } else {
                SHORTEST
            };
            self.length = length.min(LONGEST);
            self.until = now.saturating_add(self.length);
        }
    }
}

#[cfg(test)]
mod tests;
