//! `lbctl stats --http`: a line for each service, and below it one for each of its routes.
//!
//! Times are those since the routers started; with `--watch`, those since the last time.

use super::{NONE, stats::missing};
use crate::human::{bytes, count, rate};
use crate::latency::{quantile, time};
use crate::table::{self, Column, numbers, words};
use lb_core::report::{HttpCounts, HttpRouteStats, HttpStats, Stats};
use std::collections::BTreeMap;
use std::time::Duration;

/// The report of before, and how long ago that was, if there is one.
pub(crate) type Before<'a> = Option<(&'a Stats, Duration)>;

/// Requests by service and route; with a column for rates if this is one of several reports.
pub(crate) fn text(stats: &Stats, watched: Option<Before<'_>>, width: Option<usize>) -> String {
    let Some(http) = &stats.http else {
        let off = "no HTTP router is switched on: run the agents with --router on (deploy/router.yml does)\n";
        return format!("{off}{}", missing(stats));
    };
    let before = watched.flatten().and_then(|(before, time)| {
        let same = before.missing == stats.missing && before.scope == stats.scope;
        Some((before.http.as_ref().filter(|_| same)?, time))
    });
    let mut text = if http.routes.is_empty() {
        "no route has had a request\n".to_owned()
    } else {
        let rows = rows(http, before, watched.is_some());
        table::text(&columns(watched.is_some()), &rows, width)
    };
    text.push_str(&routers(http));
    text.push_str(&missing(stats));
    text
}

fn columns(watched: bool) -> Vec<Column> {
    let mut columns = vec![words("SERVICE/ROUTE"), numbers("REQUESTS").spare(4)];
    if watched {
        columns.push(numbers("REQ/S"));
    }
    columns.extend([
        numbers("2XX").spare(6),
        numbers("3XX").spare(7),
        numbers("4XX"),
        numbers("5XX"),
        numbers("P50"),
        numbers("P90").spare(5),
        numbers("P99"),
        numbers("TASK P99").spare(5),
        numbers("IN").spare(3),
        numbers("OUT").spare(3),
        numbers("UNDER WAY").spare(2),
        numbers("TRIES FAILED").spare(1),
        numbers("BROKEN").spare(1),
    ]);
    columns
}

/// Id of the service, family and name.
type Key<'a> = (&'a str, &'a str, &'a str);

fn key(route: &HttpRouteStats) -> Key<'_> {
    (route.service.as_str(), &route.family, &route.name)
}

fn rows(
    http: &HttpStats,
    before: Option<(&HttpStats, Duration)>,
    watched: bool,
) -> Vec<Vec<String>> {
    let earlier: BTreeMap<Key<'_>, &HttpCounts> = before
        .iter()
        .flat_map(|(before, _)| &before.routes)
        .map(|route| (key(route), &route.counts))
        .collect();
    let passed = before.map(|(_, time)| time);
    let row = |name: String, now: &HttpCounts, before: Option<HttpCounts>| {
        let since = before.and_then(|before| less(now, &before));
        let rate = match (since.as_ref(), passed) {
            (Some(since), Some(time)) => per_second(requests(since), time),
            _ => NONE.to_owned(),
        };
        let times = since.as_ref().filter(|_| watched).unwrap_or(now);
        line(name, now, times, watched.then_some(rate), &http.bounds_us)
    };
    let mut rows = Vec::new();
    for of_service in http.routes.chunk_by(|a, b| a.service == b.service) {
        let Some(first) = of_service.first() else {
            continue;
        };
        let before = |route: &HttpRouteStats| earlier.get(&key(route)).copied().cloned();
        if first.service_name.is_empty() {
            let counts = &first.counts;
            rows.push(row("ended routes".to_owned(), counts, before(first)));
            continue;
        }
        let (mut sum, mut sum_before) = (HttpCounts::default(), HttpCounts::default());
        for route in of_service {
            sum.add(&route.counts);
            sum_before.add(&before(route).unwrap_or_default());
        }
        let known = of_service.iter().any(|route| before(route).is_some());
        rows.push(row(
            first.service_name.clone(),
            &sum,
            known.then_some(sum_before),
        ));
        for route in of_service {
            let name = format!("  {}", route.name);
            rows.push(row(name, &route.counts, before(route)));
        }
    }
    rows
}

fn line(
    name: String,
    counts: &HttpCounts,
    times: &HttpCounts,
    rate: Option<String>,
    bounds_us: &[u64],
) -> Vec<String> {
    let class = |class: &str| count(counts.requests.get(class).copied().unwrap_or_default());
    let of = |part, buckets: &[u64]| {
        let time = |us| time(us, bounds_us);
        quantile(part, buckets, bounds_us).map_or_else(|| NONE.to_owned(), time)
    };
    let within = |part| of(part, &times.latency);
    let tries = counts.tries.iter().filter(|(outcome, _)| *outcome != "ok");
    let mut line = vec![name, count(requests(counts))];
    line.extend(rate);
    line.extend([
        class("2xx"),
        class("3xx"),
        class("4xx"),
        class("5xx"),
        within(0.5),
        within(0.9),
        within(0.99),
        of(0.99, &times.upstream),
        bytes(counts.bytes_in),
        bytes(counts.bytes_out),
        count(counts.under_way),
        count(tries.map(|(_, number)| *number).sum()),
        count(counts.broken),
    ]);
    line
}

/// The routers as a whole: connections, requests without a route, requests that were refused, and how fast changes of routes
/// were in force.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn routers(http: &HttpStats) -> String {
    let of = |name: &'static str| http.routers.iter().filter(move |it| it.name == name);
    let sum = |name: &'static str| -> u64 { of(name).map(|it| it.value).sum() };
    let mut text = format!("\nopen connections: {}\n", count(sum("connections")));
    for (name, title) in [
        ("pool_connections", "kept connections to tasks"),
        (
            "draining_requests",
            "requests at tasks that are being stopped",
        ),
        ("unrouted_total", "requests without a route"),
        ("rejected_total", "requests refused"),
        ("connections_shed_total", "connections ended for others"),
        (
            "access_log_dropped_total",
            "lines of the access log dropped",
        ),
    ] {
        if sum(name) == 0 {
            continue;
        }
        let reasons = of(name).filter(|it| it.value > 0).filter_map(|it| {
            let reason = it.labels.get("reason").or_else(|| it.labels.get("state"))?;
            Some(format!("{reason} {}", count(it.value)))
        });
        let reasons: Vec<String> = reasons.collect();
        text.push_str(&format!("{title}: {}", count(sum(name))));
        if !reasons.is_empty() {
            text.push_str(&format!(" ({})", reasons.join(", ")));
        }
        text.push('\n');
    }
    let applies = sum("table_applies_total");
    if let Some(us) = sum("table_apply_microseconds_total").checked_div(applies) {
        let each = time(us as f64, &http.bounds_us);
        text.push_str(&format!(
            "changes of routes: {}, in force after {each} on average\n",
            count(applies)
        ));
    }
    text
}

fn requests(counts: &HttpCounts) -> u64 {
    counts.requests.values().sum()
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn per_second(requests: u64, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds <= 0.0 {
        return NONE.to_owned();
    }
    rate(requests as f64 / seconds)
}

/// What was counted since then, as far as it is shown; `None` where a number ran backwards, so that this is not known.
fn less(now: &HttpCounts, before: &HttpCounts) -> Option<HttpCounts> {
    let mut since = HttpCounts::default();
    for (class, number) in &now.requests {
        let before = before.requests.get(class).copied().unwrap_or_default();
        let number = number.checked_sub(before)?;
        since.requests.insert(class.clone(), number);
    }
    since.latency = less_each(&now.latency, &before.latency)?;
    since.upstream = less_each(&now.upstream, &before.upstream)?;
    Some(since)
}

fn less_each(now: &[u64], before: &[u64]) -> Option<Vec<u64>> {
    let before = before.iter().copied().chain(std::iter::repeat(0));
    let each = now.iter().zip(before);
    each.map(|(now, before)| now.checked_sub(before)).collect()
}

#[cfg(test)]
mod tests;
