//! A transfer that lasts for as long as something else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::slow;

const PAUSE: Duration = Duration::from_millis(5);

/// Holds a transfer back until `over` is set: to a rate, and from its last tenth.
#[derive(Debug)]
pub struct Pace {
    /// Set once it may go as fast as it can.
    pub over: Arc<AtomicBool>,
    /// When it began.
    pub begin: Instant,
    /// Length of the whole.
    pub bytes: u64,
    /// Largest rate in bytes per second, on a machine that is not slow.
    pub bytes_per_second: u64,
}

impl Pace {
    /// Waits until more than `received` bytes may have come.
    pub(super) async fn hold(&self, received: u64) {
        while !self.over.load(Ordering::Relaxed) && received >= self.allowed(self.begin.elapsed()) {
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn allowed(&self, elapsed: Duration) -> u64 {
        let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let by_rate = slow::fewer(self.bytes_per_second).saturating_mul(elapsed) / 1000;
        by_rate.min(self.bytes / 10 * 9)
    }
}

#[test]
fn as_long_as_it_is_not_over_a_tenth_is_held_back() {
    let pace = Pace {
        over: Arc::default(),
        begin: Instant::now(),
        bytes: 1000,
        bytes_per_second: 100,
    };
    let allowed = |seconds| pace.allowed(Duration::from_secs(seconds));
    assert_eq!((allowed(0), allowed(3), allowed(100)), (0, 300, 900));
}
