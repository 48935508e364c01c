//! The clock of flows: `CLOCK_MONOTONIC`, as coarse as they read it.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Nanoseconds since it began.
pub(in crate::kernel) fn nanoseconds() -> u64 {
    let clock = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
    let nanoseconds = clock.map_or(0, |time| Duration::from(time).as_nanos());
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

/// The time on that clock, in the ticks of `lb_abi::flow`.
pub(in crate::kernel) fn now() -> u32 {
    lb_abi::flow::ticks(nanoseconds())
}
