//! Rounded numbers for tables. The exact ones are in the JSON.

use std::time::Duration;

/// `9999`, `12.3k`, `123k`, `1.2M`.
pub(crate) fn count(n: u64) -> String {
    if n < 10_000 {
        return n.to_string();
    }
    let (number, prefix) = scaled(n);
    format!("{number}{prefix}")
}

/// `999 B`, `1.2 kB`, `123 MB`: powers of ten, as Docker shows them.
pub(crate) fn bytes(n: u64) -> String {
    if n < 1000 {
        return format!("{n} B");
    }
    let (number, prefix) = scaled(n);
    format!("{number} {prefix}B")
}

/// Events per second: small ones keep a decimal.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 99.95 {
        format!("{per_second:.1}")
    } else {
        count(whole(per_second))
    }
}

/// Bytes per second.
pub(crate) fn byte_rate(per_second: f64) -> String {
    bytes(whole(per_second))
}

/// The two largest units: `45 s`, `3 min 5 s`, `2 h 10 min`, `12 d 4 h`.
pub(crate) fn uptime(time: Duration) -> String {
    let s = time.as_secs();
    let (min, h, d) = (s / 60, s / 3600, s / 86_400);
    match (d, h, min) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, _) => format!("{min} min {} s", s % 60),
        (0, _, _) => format!("{h} h {} min", min % 60),
        _ => format!("{d} d {} h", h % 24),
    }
}

/// `1 task`, `2 tasks`.
pub(crate) fn plural(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{s}")
}

/// At most three digits and a prefix: one decimal below 100, none above.
fn scaled(n: u64) -> (String, &'static str) {
    const PREFIXES: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    let mut unit: u128 = 1000;
    let nearest = |n: u128, unit: u128| (n + unit / 2) / unit;
    for prefix in PREFIXES {
        let tenths = nearest(u128::from(n) * 10, unit);
        if tenths < 1000 {
            return (format!("{}.{}", tenths / 10, tenths % 10), prefix);
        }
        let whole = nearest(u128::from(n), unit);
        if whole < 1000 {
            return (whole.to_string(), prefix);
        }
        unit *= 1000;
    }
    (n.to_string(), "")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, and a rate is a number"
)]
fn whole(per_second: f64) -> u64 {
    per_second.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_short_at_every_size() {
        let cases = [
            (0, "0", "0 B"),
            (999, "999", "999 B"),
            (1000, "1000", "1.0 kB"),
            (9_949, "9949", "9.9 kB"),
            (10_000, "10.0k", "10.0 kB"),
            (99_949, "99.9k", "99.9 kB"),
            (99_950, "100k", "100 kB"),
            (100_000, "100k", "100 kB"),
            (999_499, "999k", "999 kB"),
            (999_500, "1.0M", "1.0 MB"),
            (1_000_000, "1.0M", "1.0 MB"),
            (1_234_567_890, "1.2G", "1.2 GB"),
            (u64::MAX, "18.4E", "18.4 EB"),
        ];
        for (n, as_count, as_bytes) in cases {
            assert_eq!(count(n), as_count);
            assert_eq!(bytes(n), as_bytes);
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(0.5), "0.5");
        assert_eq!(rate(99.94), "99.9");
        assert_eq!(rate(99.96), "100");
        assert_eq!(rate(12_345.6), "12.3k");
        assert_eq!(byte_rate(1_240_000.4), "1.2 MB");
    }

    #[test]
    fn times() {
        let text = |s| uptime(Duration::from_secs(s));
        assert_eq!(text(59), "59 s");
        assert_eq!(text(185), "3 min 5 s");
        assert_eq!(text(7_800), "2 h 10 min");
        assert_eq!(text(12 * 86_400 + 4 * 3600 + 1), "12 d 4 h");
    }
}
