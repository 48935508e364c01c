//! How long until the Swarm's lists are read again.
//!
//! The API has no events for tasks. So the lists are read often for as long as something is
//! going on, and seldom otherwise; and never so often that reading becomes the agent's main work,
//! however large the Swarm.

use std::time::Duration;

/// After an event: the managers learn of a container's start up to 100 ms later.
const BRISK: Duration = Duration::from_millis(20);
const BRISK_FOR: Duration = Duration::from_secs(1);

/// While tasks are on their way up: images load, health checks wait.
const WAITING: Duration = Duration::from_millis(200);
const WAITING_FOR: Duration = Duration::from_secs(60);

/// When nothing seems to happen: events may be lost.
const CALM: Duration = Duration::from_secs(1);

/// Time until the next reading, when the last one took `cost` and the last event was `quiet` ago.
/// `unsettled`: some task is on its way up.
#[must_use]
pub fn pause(quiet: Duration, cost: Duration, unsettled: bool) -> Duration {
    if quiet < BRISK_FOR {
        BRISK.max(cost * 3)
    } else if unsettled && quiet < WAITING_FOR {
        WAITING.max(cost * 9)
    } else {
        CALM.max(cost * 30)
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
    fn calm_comes_back() {
        assert_eq!(pause(Duration::ZERO, CHEAP, true), BRISK);
        assert_eq!(pause(BRISK_FOR, CHEAP, true), WAITING);
        assert_eq!(pause(BRISK_FOR, CHEAP, false), CALM);
        assert_eq!(pause(WAITING_FOR, CHEAP, true), CALM);
    }

    #[test]
    fn a_costly_reading_is_done_less_often() {
        let costly = Duration::from_secs(1);
        for quiet in [Duration::ZERO, BRISK_FOR, WAITING_FOR] {
            assert!(pause(quiet, costly, true) >= costly * 3);
        }
    }
}
