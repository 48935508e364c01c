//! The machine that the agent runs on: its memory, and its kernel's release.

use std::fs;

/// Memory of the machine, in bytes, without what the kernel took when it started; 0 where that can't be read.
#[must_use]
pub fn memory() -> u64 {
    let told = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    total(&told).unwrap_or(0)
}

/// Major and minor number of the kernel's release; `None` where that can't be read.
#[must_use]
pub fn release() -> Option<(u32, u32)> {
    numbers(&fs::read_to_string("/proc/sys/kernel/osrelease").ok()?)
}

/// Bytes, of the line `MemTotal: 16384000 kB`.
fn total(told: &str) -> Option<u64> {
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The numbers of a release like `6.1.0-13-amd64`.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.trim().split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_kernel_tells_it() {
        let told = "MemTotal:       16384000 kB\nMemFree:         1 kB\n";
        assert_eq!(total(told), Some(16_384_000 * 1024));
        assert_eq!(total("nothing"), None);
        assert!(memory() > 64 << 20, "of this machine: {}", memory());
    }

    #[test]
    fn a_release_has_two_numbers_in_front() {
        for (release, expected) in [
            ("6.1.0-13-amd64\n", Some((6, 1))),
            ("6.18-rc2", Some((6, 18))),
            ("6", None),
            ("", None),
        ] {
            assert_eq!(numbers(release), expected, "{release}");
        }
        assert!(release() > Some((5, 0)), "of this machine: {:?}", release());
    }
}
