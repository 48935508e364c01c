//! Latency of requests at a fixed rate.
//!
//! The load is a thread of its own for each connection, which sends by the clock. `wrk` asks as fast as it is answered, and
//! `h2load --rps` gives each connection what is due every 10 ms at once: bursts, between which nothing happens.

use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::netns::Netns;

use super::kept::Kept;

/// Connections that stay and share the rate.
const CONNECTIONS: u32 = 32;
/// Time for threads to start and connect, before the first request is due.
const START: Duration = Duration::from_millis(200);
/// Part of the requests that a proxy has to answer before the end: with fewer it does not keep the rate.
const ANSWERED: f64 = 0.99;
/// Part of the requests that may fail: with more failures a proxy does not keep the rate.
const FAILED: f64 = 0.001;

/// Percentiles of the time from when a request was due to the end of its answer, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// When requests are due.
#[derive(Clone, Copy)]
struct Schedule {
    begin: Instant,
    /// Requests a second, of all connections together.
    rate: f64,
    lasts: Duration,
}

/// Times of the requests of one connection that were answered, in microseconds, and how many failed.
#[derive(Default)]
struct Answers {
    times: Vec<f64>,
    failed: u32,
}

/// Loads the proxy that listens on `port` with so many requests a second; `None` where it does not keep the rate.
pub(super) fn measure(
    netns: &Netns,
    port: u16,
    rate: f64,
    lasts: Duration,
) -> Result<Option<Latency>> {
    let begin = Instant::now() + START;
    let schedule = Schedule { begin, rate, lasts };
    let parts = netns.run(|| {
        thread::scope(|scope| {
            let start = |number| scope.spawn(move || connection(port, number, schedule));
            let threads: Vec<_> = (0..CONNECTIONS).map(start).collect();
            let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
            ends.map(|end| end.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect::<Vec<Answers>>()
        })
    })?;
    let failed: u32 = parts.iter().map(|part| part.failed).sum();
    let mut times: Vec<f64> = parts.into_iter().flat_map(|part| part.times).collect();
    ensure!(!times.is_empty(), "nothing was answered");
    times.sort_by(f64::total_cmp);
    let wanted = rate * lasts.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "far from 2^52")]
    let answered = times.len() as f64;
    let keeps = answered >= ANSWERED * wanted && f64::from(failed) <= FAILED * wanted;
    if !keeps {
        eprintln!(
            "port {port}: {answered} of {wanted:.0} requests were answered in time, {failed} failed"
        );
    }
    Ok(keeps.then(|| Latency {
        p50: percentile(&times, 50),
        p99: percentile(&times, 99),
    }))
}

/// Sends every 32nd request of the schedule, from `number` on. The time of one that had to wait for the one before counts
/// from when it was due.
fn connection(port: u16, number: u32, schedule: Schedule) -> Answers {
    let Schedule { begin, rate, lasts } = schedule;
    let end = begin + lasts;
    let mut answers = Answers::default();
    let mut open = Kept::open(port).ok();
    for turn in (number..).step_by(CONNECTIONS as usize) {
        let due = begin + Duration::from_secs_f64(f64::from(turn) / rate);
        let now = Instant::now();
        // What is due and not sent at the end was not answered: the rate is not kept.
        if due >= end || now >= end {
            break;
        }
        let mut asked = due;
        if now < due {
            thread::sleep(due - now);
            // The timer's own lateness is nobody's.
            asked = Instant::now();
        }
        let answered = match &mut open {
            Some(kept) => kept.ask().is_ok(),
            None => false,
        };
        if answered {
            answers.times.push(asked.elapsed().as_secs_f64() * 1e6);
        } else {
            answers.failed += 1;
            open = Kept::open(port).ok();
        }
    }
    answers
}

/// The time that so many hundredths of all do not exceed; `sorted` has one at least.
fn percentile(sorted: &[f64], hundredths: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let time = sorted.get(last * hundredths / 100);
    time.copied().unwrap_or_default()
}
