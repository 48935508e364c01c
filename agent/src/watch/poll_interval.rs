//! The adaptive interval at which the Swarm's lists are polled.
//!
//! The API has no events for tasks. So the lists are polled often while something changes, and
//! seldom otherwise; and never so often that polling becomes the agent's main work, however large
//! the Swarm.

use std::time::Duration;

/// Interval after an event: the managers learn of a container's start up to 100 ms later.
const FAST_INTERVAL: Duration = Duration::from_millis(20);
const FAST_FOR: Duration = Duration::from_secs(1);

/// Interval while tasks are starting: images load, health checks wait.
const PENDING_INTERVAL: Duration = Duration::from_millis(200);
const PENDING_FOR: Duration = Duration::from_secs(60);

/// Interval while nothing changes: events may be lost.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// Time until the next poll, when the last one took `cost` and the last event was `idle_for` ago.
/// `unsettled`: some task is starting.
#[must_use]
pub fn pause(idle_for: Duration, cost: Duration, unsettled: bool) -> Duration {
    if idle_for < FAST_FOR {
        FAST_INTERVAL.max(cost * 3)
    } else if unsettled && idle_for < PENDING_FOR {
        PENDING_INTERVAL.max(cost * 9)
    } else {
        IDLE_INTERVAL.max(cost * 30)
    }
}

/// A number that differs between agents and calls, for spreading retries. Not for secrets.
#[must_use]
pub fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u8(0);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Duration = Duration::from_millis(3);

    #[test]
    fn the_idle_interval_comes_back() {
        assert_eq!(pause(Duration::ZERO, CHEAP, true), FAST_INTERVAL);
        assert_eq!(pause(FAST_FOR, CHEAP, true), PENDING_INTERVAL);
        assert_eq!(pause(FAST_FOR, CHEAP, false), IDLE_INTERVAL);
        assert_eq!(pause(PENDING_FOR, CHEAP, true), IDLE_INTERVAL);
    }

    #[test]
    fn a_costly_reading_is_done_less_often() {
        let costly = Duration::from_secs(1);
        for idle_for in [Duration::ZERO, FAST_FOR, PENDING_FOR] {
            assert!(pause(idle_for, costly, true) >= costly * 3);
        }
    }
}
