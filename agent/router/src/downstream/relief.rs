//! Which connections of clients end where memory or room runs short, so that others are served: those that idle, which
//! costs their clients little; and those with the most requests under way, which cost the most.

use crate::clock::Seconds;
use crate::memory::Pressure;
use std::cmp::Reverse;
use std::time::Duration;

/// Of each kind, one of so many ends at a time: then the memory is looked at again.
const SHARE: usize = 4;
/// Who has sent nothing for so long idles. Others have just come, or are about to send.
const IDLE: Duration = Duration::from_secs(2);

/// A connection that may end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Its number.
    pub(super) number: u64,
    /// Requests that are under way on it.
    pub(super) under_way: u32,
    /// Since when none is.
    pub(super) idle_since: Seconds,
}

/// Numbers of the connections that end now.
pub(super) fn ending(all: Vec<Candidate>, pressure: Pressure, now: Seconds) -> Vec<u64> {
    let (mut busy, mut idle): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.under_way > 0);
    idle.retain(|it| it.idle_since.is_over(IDLE, now));
    idle.sort_by_key(|it| it.idle_since);
    if pressure < Pressure::VeryShort {
        busy.clear();
    }
    busy.sort_by_key(|it| (Reverse(it.under_way), it.idle_since));
    for kind in [&mut idle, &mut busy] {
        kind.truncate(kind.len().div_ceil(SHARE));
    }
    idle.iter().chain(&busy).map(|it| it.number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(number: u64, under_way: u32, idle_since: u32) -> Candidate {
        Candidate {
            number,
            under_way,
            idle_since: Seconds::at(idle_since),
        }
    }

    fn ends(all: &[Candidate], pressure: Pressure) -> Vec<u64> {
        ending(all.to_vec(), pressure, Seconds::at(100))
    }

    #[test]
    fn who_idles_for_the_longest_time_ends_first() {
        let all: Vec<_> = (1..=20_u32)
            .map(|it| candidate(it.into(), 0, 60 - 2 * it))
            .collect();
        assert_eq!(ends(&all, Pressure::Short), [20, 19, 18, 17, 16]);
        assert_eq!(ends(&all[..1], Pressure::Short), [1], "one at least");
        assert!(ends(&[], Pressure::VeryShort).is_empty());
    }

    #[test]
    fn who_has_the_most_requests_under_way_ends_where_memory_is_very_short() {
        let all = [
            candidate(1, 1, 0),
            candidate(2, 128, 90),
            candidate(3, 0, 50),
            candidate(4, 2, 0),
        ];
        assert_eq!(ends(&all, Pressure::Short), [3]);
        assert_eq!(ends(&all, Pressure::VeryShort), [3, 2]);
    }

    #[test]
    fn who_has_just_come_stays() {
        let all = [candidate(1, 0, 99), candidate(2, 0, 100)];
        assert!(ends(&all, Pressure::VeryShort).is_empty());
    }
}
