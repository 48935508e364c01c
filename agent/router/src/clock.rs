//! Time in whole seconds since the process started: coarse, and cheap to keep for each connection.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Seconds since the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seconds(u32);

impl Seconds {
    /// Now.
    pub(crate) fn now() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let passed = START.get_or_init(Instant::now).elapsed().as_secs();
        Self(u32::try_from(passed).unwrap_or(u32::MAX))
    }

    /// So many seconds after the start.
    #[cfg(test)]
    pub(crate) fn at(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Have so many seconds passed from it until `now`?
    pub(crate) fn is_over(self, limit: Duration, now: Self) -> bool {
        u64::from(now.0.saturating_sub(self.0)) >= limit.as_secs()
    }
}
