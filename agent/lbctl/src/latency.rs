//! Quantiles of times that were counted in buckets. Pure.

/// The time within which a part of the exchanges has ended, in microseconds, as if those of a bucket were spread over it
/// evenly; `None` without exchanges, and infinite above the last bound.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub(crate) fn quantile(part: f64, counts: &[u64], bounds_us: &[u64]) -> Option<f64> {
    let all: u64 = counts
        .iter()
        .fold(0, |all, count| all.saturating_add(*count));
    if all == 0 {
        return None;
    }
    let wanted = part * all as f64;
    let mut below = 0.0;
    let mut lower = 0.0;
    for (count, bound) in counts.iter().zip(bounds_us) {
        let (count, bound) = (*count as f64, *bound as f64);
        if count > 0.0 && below + count >= wanted {
            return Some(lower + (bound - lower) * (wanted - below) / count);
        }
        below += count;
        lower = bound;
    }
    Some(f64::INFINITY)
}

/// `0.35 ms`, `12 ms`, `1.5 s`; `>30 s` above the last bound.
#[expect(clippy::cast_precision_loss, reason = "a bound is a round number")]
pub(crate) fn time(us: f64, bounds_us: &[u64]) -> String {
    if us.is_infinite() {
        let last = bounds_us.last().copied().unwrap_or_default();
        return format!(">{}", time(last as f64, &[]));
    }
    let ms = us / 1_000.0;
    match ms {
        ..9.995 => format!("{ms:.2} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        ..9_950.0 => format!("{:.1} s", ms / 1_000.0),
        _ => format!("{:.0} s", ms / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{quantile, time};

    const BOUNDS: [u64; 3] = [1_000, 2_000, 30_000_000];

    #[test]
    fn quantiles_are_between_the_bounds_of_their_bucket() {
        let q = |part, counts: &[u64]| quantile(part, counts, &BOUNDS);
        assert_eq!(q(0.5, &[0, 0, 0, 0]), None);
        assert_eq!(q(0.5, &[10, 0, 0, 0]), Some(500.0));
        assert_eq!(q(0.5, &[5, 5, 0, 0]), Some(1_000.0));
        assert_eq!(q(0.9, &[5, 5, 0, 0]), Some(1_800.0));
        assert_eq!(q(0.99, &[1, 0, 0, 9]), Some(f64::INFINITY));
    }

    #[test]
    fn times_have_few_digits() {
        for (us, text) in [
            (350.0, "0.35 ms"),
            (12_400.0, "12 ms"),
            (1_450_000.0, "1.4 s"),
            (f64::INFINITY, ">30 s"),
        ] {
            assert_eq!(time(us, &BOUNDS), text);
        }
    }
}
