//! The figures of the router and of the other proxies, as tables.

use anyhow::{Context as _, Result};

use super::latency::Latency;
use super::load::{Load, Measured};
use super::proxies::Proxy;
use super::rolling::{Outcome, TASKS, Updates};
use crate::figures::{Cell, Row, Spread, Table};

/// The middle of a value's rounds.
pub(super) fn median<T>(rounds: &[T], value: impl Fn(&T) -> f64) -> f64 {
    let values: Vec<f64> = rounds.iter().map(value).collect();
    Spread::of(&values).median
}

/// What a request costs: for each load, for each proxy, its rounds.
pub(super) fn costs(
    proxies: &[Proxy],
    costs: &[(Load, Vec<Vec<Measured>>)],
    rounds: usize,
) -> Result<Table> {
    let mut rows = Vec::new();
    for (load, measured) in costs {
        let cost = |rounds: &Vec<Measured>| rounds.iter().map(|round| round.cost).collect();
        let measured: Vec<Vec<f64>> = measured.iter().map(cost).collect();
        let nginx = of(proxies, &measured, Proxy::Nginx)?;
        let haproxy = of(proxies, &measured, Proxy::Haproxy)?;
        rows.extend(proxies.iter().zip(&measured).map(|(proxy, costs)| Row {
            name: format!("{}: {}", load.name(), proxy.name()),
            cells: vec![
                Cell::Number(Spread::of(costs).median, 1),
                ratio(costs, nginx),
                ratio(costs, haproxy),
            ],
        }));
    }
    Ok(Table {
        title: format!("A request in the router ({rounds} rounds)"),
        columns: vec!["load, proxy", "µs of processor", "of nginx", "of HAProxy"],
        rows,
    })
}

/// Latency at a rate, in requests a second: for each proxy, its rounds.
pub(super) fn latencies(
    proxies: &[Proxy],
    latencies: &[Vec<Option<Latency>>],
    rate: f64,
    rounds: usize,
) -> Result<Table> {
    let nginx = of(proxies, latencies, Proxy::Nginx)?;
    let nginx = all_kept(nginx);
    let cells = |rounds: &[Option<Latency>]| {
        let Some(rounds) = all_kept(rounds) else {
            let lost = rounds.iter().filter(|round| round.is_none()).count();
            let said = format!("cannot in {lost} of {}", rounds.len());
            return vec![Cell::Text(said); 4];
        };
        let percentiles: [fn(&Latency) -> f64; 2] = [|it| it.p50, |it| it.p99];
        let mut cells = Vec::new();
        for percentile in percentiles {
            let times: Vec<f64> = rounds.iter().map(percentile).collect();
            cells.push(Cell::Spread(Spread::of(&times), 0));
            cells.push(match &nginx {
                Some(nginx) => {
                    let others: Vec<f64> = nginx.iter().map(percentile).collect();
                    ratio(&times, &others)
                }
                None => Cell::Text(String::new()),
            });
        }
        cells
    };
    let rows = proxies.iter().zip(latencies).map(|(proxy, rounds)| Row {
        name: proxy.name().to_owned(),
        cells: cells(rounds),
    });
    Ok(Table {
        title: format!("Latency at {rate:.0} requests a second ({rounds} rounds)"),
        columns: vec!["proxy", "p50, µs", "of nginx", "p99, µs", "of nginx"],
        rows: rows.collect(),
    })
}

/// What an idle connection needs.
pub(super) fn memory(proxies: &[Proxy], kib: &[f64], connections: u32) -> Table {
    let row = |(proxy, kib): (&Proxy, &f64)| Row {
        name: proxy.name().to_owned(),
        cells: vec![Cell::Number(*kib, 1)],
    };
    Table {
        title: format!("{connections} idle connections"),
        columns: vec!["proxy", "KiB a connection"],
        rows: proxies.iter().zip(kib).map(row).collect(),
    }
}

/// Rolling updates, by proxy and order: requests, failures and ends of connections of all its updates together.
pub(super) fn updates(all: &[Updates], rounds: usize) -> Table {
    let row = |updates: &Updates| {
        let sum = |value: fn(&Outcome) -> u64| {
            let sum: u64 = updates.outcomes.iter().map(value).sum();
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            let sum = sum as f64;
            Cell::Number(sum, 0)
        };
        let slowest = updates.outcomes.iter();
        let slowest = slowest.map(|outcome| outcome.slowest.as_secs_f64() * 1e3);
        let slowest: Vec<f64> = slowest.collect();
        Row {
            name: updates.proxy.name().to_owned(),
            cells: vec![
                Cell::Text(updates.order.name().to_owned()),
                sum(|outcome| outcome.requests),
                sum(|outcome| outcome.failed),
                Cell::Spread(Spread::of(&slowest), 0),
                sum(|outcome| outcome.closed),
            ],
        }
    };
    Table {
        title: format!("Rolling updates of {TASKS} tasks ({rounds} by each proxy and order)"),
        columns: vec![
            "proxy",
            "order",
            "requests",
            "failed",
            "slowest answer, ms",
            "kept connections closed",
        ],
        rows: all.iter().map(row).collect(),
    }
}

/// The rounds, if the rate was kept in each of them.
fn all_kept(rounds: &[Option<Latency>]) -> Option<Vec<Latency>> {
    rounds.iter().copied().collect()
}

/// A proxy's element of a list that has one for each proxy.
fn of<'a, T>(proxies: &[Proxy], all: &'a [T], wanted: Proxy) -> Result<&'a T> {
    let mut pairs = proxies.iter().zip(all);
    let found = pairs.find(|(proxy, _)| **proxy == wanted);
    let (_, one) = found.with_context(|| format!("{} was not measured", wanted.name()))?;
    Ok(one)
}

/// Ratios within each round.
fn ratio(values: &[f64], others: &[f64]) -> Cell {
    let ratios: Vec<f64> = values.iter().zip(others).map(|(a, b)| a / b).collect();
    Cell::Spread(Spread::of(&ratios), 2)
}
