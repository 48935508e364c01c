//! The retry budget: how many requests may be sent again, so that tasks that fail are not loaded thrice.

use std::time::Duration;

/// What one request adds, in thousandths of a retry: 20 %.
const BY_REQUEST: u32 = 200;
/// Retries that requests can save up, in thousandths.
const SAVED: u32 = 100_000;
/// Retries per second that need no requests before, and how many of them can be saved up.
const PER_SECOND: u32 = 10;

/// A token bucket of the retries of a service. It is full at first.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    /// Saved by requests, in thousandths of a retry.
    saved: u32,
    /// Free of requests, in thousandths of a retry.
    free: u32,
    /// Until when `free` was counted.
    counted: Duration,
}

impl RetryBudget {
    /// A budget, at this time since any start.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            saved: 0,
            free: PER_SECOND * 1000,
            counted: now,
        }
    }

    /// A request has come, and not by a retry.
    pub fn request(&mut self) {
        self.saved = self.saved.saturating_add(BY_REQUEST).min(SAVED);
    }

    /// Takes a retry from the budget, if there is one.
    pub fn take(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.counted).as_millis();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        // 10 per second are 10 thousandths per millisecond.
        let gained = passed.saturating_mul(PER_SECOND);
        self.free = self.free.saturating_add(gained).min(PER_SECOND * 1000);
        self.counted = self
            .counted
            .saturating_add(Duration::from_millis(passed.into()));
        for bucket in [&mut self.saved, &mut self.free] {
            if let Some(rest) = bucket.checked_sub(1000) {
                *bucket = rest;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Duration = Duration::from_secs(100);

    /// How many retries are there at once.
    fn taken(budget: &mut RetryBudget, now: Duration) -> u32 {
        let mut taken = 0;
        while budget.take(now) {
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_fifth_of_the_requests_and_ten_a_second_may_be_sent_again() {
        let mut budget = RetryBudget::new(START);
        assert_eq!(taken(&mut budget, START), 10);
        (0..100).for_each(|_| budget.request());
        assert_eq!(taken(&mut budget, START), 20);
        assert_eq!(taken(&mut budget, START + Duration::from_millis(550)), 5);
        assert_eq!(taken(&mut budget, START + Duration::from_millis(600)), 1);
        assert_eq!(taken(&mut budget, START + Duration::from_secs(3600)), 10);
        (0..100_000).for_each(|_| budget.request());
        assert_eq!(taken(&mut budget, START + Duration::from_secs(3600)), 100);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut budget = RetryBudget::new(START);
        assert_eq!(taken(&mut budget, START), 10);
        assert_eq!(taken(&mut budget, Duration::ZERO), 0);
        assert_eq!(taken(&mut budget, START), 0);
    }

    proptest! {
        /// Over any time: no more than a fifth of the requests, ten a second, and ten at first.
        #[test]
        fn the_budget_holds(steps in proptest::collection::vec((0..300_u64, 0..20_u32, 0..20_u32), 1..40)) {
            let (mut budget, mut now) = (RetryBudget::new(START), START);
            let (mut requests, mut retries) = (0_u64, 0_u64);
            for (passed, come, wanted) in steps {
                now += Duration::from_millis(passed);
                (0..come).for_each(|_| budget.request());
                requests += u64::from(come);
                retries += (0..wanted).filter(|_| budget.take(now)).count() as u64;
                let seconds = (now - START).as_secs_f64();
                let allowed = requests as f64 * 0.2 + seconds * 10.0 + 10.0;
                prop_assert!(retries as f64 <= allowed + 1e-6, "{} of {}", retries, allowed);
            }
        }
    }
}
