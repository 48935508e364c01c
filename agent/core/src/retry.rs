//! When to try again: exponential, jittered, bounded. A value; the caller sleeps.

use std::time::Duration;

/// The delays of one thing that is tried over and over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    failures: u32,
}

impl Backoff {
    /// Delays that start near `floor`, double with each failure and stay below `ceiling`.
    #[must_use]
    pub const fn new(floor: Duration, ceiling: Duration) -> Self {
        Self {
            floor,
            ceiling,
            failures: 0,
        }
    }

    /// It failed: how long to wait. `random` spreads many waiters over the upper half of
    /// the delay, so that they don't all come back in the same instant.
    pub fn failed(&mut self, random: u64) -> Duration {
        let doubled = self
            .floor
            .saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let whole = doubled.min(self.ceiling);
        let half = whole / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        half + Duration::from_nanos(random % spread.saturating_add(1))
    }

    /// It worked for `lived`. What breaks off at once still counts as failing,
    /// or a peer that accepts and hangs up would be dialled without pause. Returns whether
    /// it counted as working.
    pub fn worked(&mut self, lived: Duration) -> bool {
        let worked = lived >= self.ceiling;
        if worked {
            self.failures = 0;
        }
        worked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOOR: Duration = Duration::from_millis(50);
    const CEILING: Duration = Duration::from_secs(5);

    proptest! {
        #[test]
        fn delays_grow_and_stay_in_bounds(randoms in prop::collection::vec(any::<u64>(), 1..80)) {
            let mut backoff = Backoff::new(FLOOR, CEILING);
            let mut whole = FLOOR;
            for random in randoms {
                let delay = backoff.failed(random);
                prop_assert!(delay >= whole / 2 && delay <= whole);
                whole = (whole * 2).min(CEILING);
            }
        }
    }

    #[test]
    fn waiters_spread_over_the_whole_upper_half_of_a_delay() {
        let delay = |random| Backoff::new(CEILING, CEILING).failed(random);
        let half = u64::try_from((CEILING / 2).as_nanos()).unwrap();
        assert_eq!(delay(0), CEILING / 2);
        assert_eq!(delay(half), CEILING);
        assert_eq!(delay(half / 2), CEILING * 3 / 4);
        let random = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first: Vec<_> = (0..100).map(|n| delay(random(n))).collect();
        let early = first
            .iter()
            .filter(|delay| **delay < CEILING * 3 / 4)
            .count();
        assert!(
            (30..70).contains(&early),
            "{early} of 100 in the earlier half"
        );
    }

    #[test]
    fn only_what_lasted_starts_over() {
        let mut backoff = Backoff::new(FLOOR, CEILING);
        for _ in 0..10 {
            backoff.failed(0);
        }
        for short in [
            Duration::from_millis(3),
            FLOOR,
            CEILING - Duration::from_nanos(1),
        ] {
            assert!(!backoff.worked(short), "{short:?}");
            assert_eq!(backoff.failed(0), CEILING / 2);
        }
        assert!(backoff.worked(CEILING));
        assert_eq!(backoff.failed(0), FLOOR / 2);
    }
}
