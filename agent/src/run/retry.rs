//! When to retry operations that the kernel refused: exponential back-off, as what fails once mostly
//! goes on failing. Events in between don't change it.

use std::time::Duration;
use tokio::time::Instant;

/// Time from a failure to the first retry.
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Back-off of retries.
#[derive(Debug)]
pub(super) struct Retry {
    first: Duration,
    longest: Duration,
    /// Time of the next retry, and the wait before it; `None` if nothing has failed.
    next: Option<(Instant, Duration)>,
}

impl Retry {
    /// The first wait is `first`; each next one is twice as long, up to `longest`.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: None,
        }
    }

    /// Is a retry due?
    pub(super) fn due(&self, now: Instant) -> bool {
        self.next.is_some_and(|(at, _)| now >= at)
    }

    /// An operation failed (again): returns the time of the next retry.
    pub(super) fn failed(&mut self, now: Instant) -> Instant {
        let (at, wait) = match self.next {
            Some((at, wait)) if now < at => (at, wait),
            Some((_, wait)) => {
                let wait = (wait * 2).min(self.longest);
                (now + wait, wait)
            }
            None => (now + self.first, self.first),
        };
        self.next = Some((at, wait));
        at
    }

    /// Everything succeeded: the next failure waits `first` again.
    pub(super) fn over(&mut self) {
        self.next = None;
    }
}

#[test]
fn what_fails_for_good_is_tried_less_and_less_often_whatever_else_happens() {
    let second = Duration::from_secs(1);
    let mut retry = Retry::new(second, 4 * second);
    let mut now = Instant::now();
    assert!(!retry.due(now));
    for wait in [1, 2, 4, 4] {
        let at = retry.failed(now);
        assert_eq!(at, now + wait * second);
        // A reconcile pass because of an event, without a retry.
        assert!(!retry.due(now + second / 2));
        assert_eq!(retry.failed(now + second / 2), at);
        now = at;
        assert!(retry.due(now));
    }
    retry.over();
    assert!(!retry.due(now));
    assert_eq!(retry.failed(now), now + second);
}
