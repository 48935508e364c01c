//! The clock of flows.

use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use lb_abi::flow::ticks;

/// Nanoseconds of the monotonic clock, as of the kernel's last tick.
#[inline(always)]
pub(super) fn nanoseconds() -> u64 {
    // SAFETY: the helper takes nothing and is there since Linux 5.11.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// In ticks.
#[inline(always)]
pub(super) fn now() -> u32 {
    ticks(nanoseconds())
}
