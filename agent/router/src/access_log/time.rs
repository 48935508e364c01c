//! The time of day, in UTC.

use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// By the calendar.
fn civil(time: SystemTime) -> OffsetDateTime {
    // A clock before 1970 is wrong anyway.
    let passed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanoseconds = i128::try_from(passed.as_nanos()).unwrap_or_default();
    let civil = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds);
    civil.unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `2026-11-30T06:44:05.123Z` (RFC 3339).
pub(super) fn rfc3339(text: &mut String, time: SystemTime) -> fmt::Result {
    let it = civil(time);
    write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        it.year(),
        u8::from(it.month()),
        it.day(),
        it.hour(),
        it.minute(),
        it.second(),
        it.millisecond()
    )
}

/// `30/Nov/2026:06:44:05 +0000`, as the common log format has it.
pub(super) fn common(text: &mut String, time: SystemTime) -> fmt::Result {
    let it = civil(time);
    let month = MONTHS.get(usize::from(u8::from(it.month())) - 1);
    write!(
        text,
        "{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000",
        it.day(),
        month.unwrap_or(&"-"),
        it.year(),
        it.hour(),
        it.minute(),
        it.second()
    )
}

#[cfg(test)]
mod tests {
    use super::{common, rfc3339};
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn moments_are_those_of_date() {
        // `date -u -d @SECONDS`.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (951_868_800, "2000-03-01T00:00:00.007Z"),
            (1_796_021_045, "2026-11-30T06:44:05.007Z"),
            (1_798_761_599, "2026-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            let mut text = String::new();
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(7);
            rfc3339(&mut text, time).unwrap();
            assert_eq!(text, expected);
        }
        let mut text = String::new();
        common(&mut text, UNIX_EPOCH + Duration::from_secs(1_796_021_045)).unwrap();
        assert_eq!(text, "30/Nov/2026:06:44:05 +0000");
    }
}
