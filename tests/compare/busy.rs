//! Time that the machine's CPUs were busy, all together, by the kernel's own count.

use std::fs;

use anyhow::{Context as _, Result};

/// Milliseconds of one tick in `/proc/stat` (`USER_HZ` is 100 everywhere).
const TICK_MS: f64 = 10.0;

/// Ticks since the machine has started.
pub(crate) struct Busy(u64);

/// Ticks between two looks.
pub(crate) struct Spent(u64);

impl Busy {
    /// As of now.
    pub(crate) fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
        ticks(&text).map(Self).context("/proc/stat has no CPUs")
    }

    /// From then to now.
    pub(crate) fn since(&self) -> Result<Spent> {
        Ok(Spent(Self::now()?.0.saturating_sub(self.0)))
    }
}

impl Spent {
    /// Milliseconds for 1,000 of so many answers.
    #[expect(clippy::cast_precision_loss, reason = "far from 2^52")]
    pub(crate) fn per_thousand(&self, answers: u64) -> f64 {
        self.0 as f64 * TICK_MS * 1000.0 / answers.max(1) as f64
    }
}

/// All that is neither idle nor stolen: user, nice, system, then, after idle and iowait, irq and
/// softirq.
fn ticks(text: &str) -> Option<u64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = fields.as_slice() else {
        return None;
    };
    Some(user + nice + system + irq + softirq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_stolen_time_is_not_busy() {
        let text = "cpu  1 2 4 100 200 8 16 300 0 0\ncpu0 1 2 4 100 200 8 16 300 0 0\n";
        assert_eq!(ticks(text), Some(31));
        assert_eq!(ticks("intr 5\n"), None);
        assert!((Spent(31).per_thousand(62) - 5000.0).abs() < 1e-9);
    }
}
