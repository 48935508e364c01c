//! Rates from two reports. Pure: time is an argument.

use lb_core::model::ids::{ServiceId, TaskId};
use lb_core::report::{Counters, Stats};
use std::collections::BTreeMap;
use std::time::Duration;

/// Per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) new: f64,
    /// Both ways together.
    pub(crate) packets: f64,
    pub(crate) bytes_in: f64,
    pub(crate) bytes_out: f64,
}

/// Rates by service and task; without those that the earlier report lacks.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) services: BTreeMap<ServiceId, Rate>,
    pub(crate) tasks: BTreeMap<TaskId, Rate>,
}

/// Rates from `before` to `after`, `time` later.
///
/// When the sums are not over the same nodes, or a counter ran backwards, the
/// difference says nothing about traffic, so there is no rate.
pub(crate) fn between(before: &Stats, after: &Stats, time: Duration) -> Rates {
    let mut rates = Rates::default();
    if before.missing != after.missing || before.scope != after.scope {
        return rates;
    }
    let mut services = BTreeMap::new();
    let mut tasks = BTreeMap::new();
    for service in &before.services {
        services.insert(&service.id, &service.total);
        tasks.extend(service.tasks.iter().map(|task| (&task.id, &task.counters)));
    }
    for service in &after.services {
        let before = services.get(&service.id);
        if let Some(rate) = before.and_then(|before| rate(before, &service.total, time)) {
            rates.services.insert(service.id.clone(), rate);
        }
        for task in &service.tasks {
            let before = tasks.get(&task.id);
            if let Some(rate) = before.and_then(|before| rate(before, &task.counters, time)) {
                rates.tasks.insert(task.id.clone(), rate);
            }
        }
    }
    rates
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shown with three digits, and differences are small"
)]
fn rate(before: &Counters, after: &Counters, time: Duration) -> Option<Rate> {
    let seconds = time.as_secs_f64();
    if seconds <= 0.0 {
        return None;
    }
    let per_second = |before: u64, after: u64| Some(after.checked_sub(before)? as f64 / seconds);
    Some(Rate {
        new: per_second(before.new, after.new)?,
        packets: per_second(before.packets_in, after.packets_in)?
            + per_second(before.packets_out, after.packets_out)?,
        bytes_in: per_second(before.bytes_in, after.bytes_in)?,
        bytes_out: per_second(before.bytes_out, after.bytes_out)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_core::report::{ServiceStats, TaskStats};

    fn stats(new: u64) -> Stats {
        let counters = Counters {
            new,
            active: 5,
            packets_in: new * 10,
            packets_out: new * 8,
            bytes_in: new * 100,
            bytes_out: new * 1000,
        };
        Stats {
            scope: "cluster".into(),
            missing: vec![],
            services: vec![ServiceStats {
                id: "s".into(),
                total: counters,
                tasks: vec![TaskStats {
                    id: "t".into(),
                    counters,
                    ..TaskStats::default()
                }],
                ..ServiceStats::default()
            }],
            http: None,
        }
    }

    const TWO: Duration = Duration::from_secs(2);

    #[test]
    fn rates_are_differences_over_time() {
        let rates = between(&stats(10), &stats(30), TWO);
        let expected = Rate {
            new: 10.0,
            packets: 180.0,
            bytes_in: 1000.0,
            bytes_out: 10_000.0,
        };
        assert_eq!(rates.services[&"s".into()], expected);
        assert_eq!(rates.tasks[&"t".into()], expected);
    }

    #[test]
    fn there_is_no_rate_where_the_difference_is_not_traffic() {
        let none = Rates::default();
        assert_eq!(between(&stats(30), &stats(10), TWO), none);
        assert_eq!(between(&stats(10), &stats(30), Duration::ZERO), none);
        assert_eq!(
            between(
                &Stats {
                    scope: "cluster".into(),
                    ..Stats::default()
                },
                &stats(30),
                TWO
            ),
            none
        );
        let mut fewer = stats(30);
        fewer.missing.push("beta".into());
        assert_eq!(between(&stats(10), &fewer, TWO), none);
    }
}
