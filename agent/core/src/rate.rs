//! Rate limits: token buckets. Pure: time is an argument.

use std::time::Duration;

/// Lets so much through at once, and from then on so much per time.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// For one.
    each: Duration,
    /// How much before its time is let through.
    ahead: Duration,
    /// When all that went through would have been due, one after the other.
    due: Duration,
}

impl Bucket {
    /// One per `each` in the long run, and up to `burst` at once.
    #[must_use]
    pub const fn new(burst: u32, each: Duration) -> Self {
        Self {
            each,
            ahead: each.saturating_mul(burst),
            due: Duration::ZERO,
        }
    }

    /// From when on something may go through.
    #[must_use]
    pub fn ready(&self) -> Duration {
        self.due
            .saturating_sub(self.ahead.saturating_sub(self.each))
    }

    /// Something as good as `cost` goes through at `now`, whether or not it may: what is too much delays
    /// what comes after it.
    pub fn spend(&mut self, cost: u32, now: Duration) {
        self.due = self
            .due
            .max(now)
            .saturating_add(self.each.saturating_mul(cost));
    }

    /// Lets something as good as `cost` through, if it may at `now`.
    pub fn take(&mut self, cost: u32, now: Duration) -> bool {
        let may = self.ready() <= now;
        if may {
            self.spend(cost, now);
        }
        may
    }

    /// Has nothing gone through of which this still has to remember?
    #[must_use]
    pub fn is_full(&self, now: Duration) -> bool {
        self.due <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const START: Duration = Duration::from_secs(1_000);

    fn through(bucket: &mut Bucket, from: Duration, to: Duration, every: Duration) -> u32 {
        let mut now = from;
        let mut count = 0;
        while now < to {
            count += u32::from(bucket.take(1, now));
            now += every;
        }
        count
    }

    #[test]
    fn a_burst_goes_through_at_once_and_then_one_per_time() {
        let mut bucket = Bucket::new(5, SECOND);
        assert_eq!(
            through(&mut bucket, START, START + SECOND / 2, SECOND / 100),
            5
        );
        let every = SECOND / 1_000;
        let later = through(&mut bucket, START + SECOND / 2, START + SECOND * 20, every);
        assert!((19..=20).contains(&later), "{later}");
        let calm = START + SECOND * 60;
        assert!(!bucket.is_full(START + SECOND * 20), "five are still ahead");
        assert!(bucket.is_full(calm));
        assert_eq!(through(&mut bucket, calm, calm + SECOND / 2, every), 5);
    }

    #[test]
    fn what_costs_more_delays_what_comes_after_it() {
        let mut bucket = Bucket::new(2, SECOND);
        assert!(bucket.take(10, START));
        assert_eq!(bucket.ready(), START + SECOND * 9);
        assert!(!bucket.take(1, START + SECOND * 9 - SECOND / 2));
        assert!(bucket.take(1, START + SECOND * 9));
    }
}
