//! The ports that the kernel gives to sockets which ask for none.

use std::fs;
use std::ops::RangeInclusive;

/// Of the network namespace of the thread that reads it (Documentation/networking/ip-sysctl.rst).
const FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// The first and the last port that the kernel gives to connections which processes of the calling thread's network
/// namespace begin. None if they can't be read.
#[must_use]
pub fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    parse(&fs::read_to_string(FILE).ok()?)
}

fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) => Some(first..=last),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_two_numbers_are_the_first_and_the_last_port() {
        assert_eq!(parse("32768\t60999\n"), Some(32_768..=60_999));
        for odd in ["", "32768\n", "1 2 3", "-1 5", "1 65536"] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
        assert!(ephemeral_ports().is_some());
    }
}
