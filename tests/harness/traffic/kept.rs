//! Requests by the clock on connections that stay open, through a proxy that changes meanwhile.
//!
//! A request that was sent and not answered by 200 has failed. A connection that ends between two requests costs its client a
//! new connection and nothing else: it is counted by itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use futures_util::future::join_all;
use tokio::time::{self, MissedTickBehavior};

use super::http::{Connection, Reply};
use crate::slow;
use crate::who::Who;

/// Reasons of failures that are kept; all failures are counted.
const SHOWN: usize = 20;

/// Address, host, connections and rate of such a load.
#[derive(Clone, Debug)]
pub struct KeptLoad {
    /// The address that is called.
    pub peer: SocketAddr,
    /// The host that requests ask for.
    pub host: String,
    /// Connections that are open at a time.
    pub connections: u32,
    /// Requests a second, of all connections together.
    pub rate: u32,
    /// A request that takes longer has failed.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptReport {
    /// Requests, answered or not.
    pub requests: u64,
    /// Those that were not answered by 200, or not in time.
    pub failed: u64,
    /// Of those that failed: requests on a connection that had answered before, which ended in place of the answer.
    pub cut: u64,
    /// Connections that the peer ended: by an answer that said so, between two requests, or in place of an answer.
    pub closed: u64,
    /// The longest request that succeeded.
    pub slowest: Duration,
    /// Why the first ones failed.
    pub failures: Vec<String>,
    /// The tasks of the test service that answered.
    pub tasks: BTreeSet<String>,
}

/// Asks until `stop` is set.
pub async fn run(load: &KeptLoad, stop: &AtomicBool) -> KeptReport {
    let workers = (0..load.connections).map(|number| worker(load, number, stop));
    let mut report = KeptReport::default();
    for part in join_all(workers).await {
        report.merge(part);
    }
    report
}

/// One connection after the other, of which each is kept as long as the peer keeps it.
async fn worker(load: &KeptLoad, number: u32, stop: &AtomicBool) -> KeptReport {
    let mut report = KeptReport::default();
    let mut open: Option<Connection> = None;
    let pause = Duration::from_secs(1) * load.connections / slow::fewer(load.rate);
    // Not all at once.
    let first = time::Instant::now() + pause * number / load.connections;
    let mut ticks = time::interval_at(first, pause);
    // A stall is not made up for by a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if stop.load(Ordering::Relaxed) {
            return report;
        }
        let ended = open.take_if(|it| it.has_ended() || it.is_closed());
        report.closed += u64::from(ended.is_some());
        let begin = Instant::now();
        let reply = ask(load, &mut open, &mut report).await;
        report.add(begin.elapsed(), reply);
    }
}

/// Sends one request, on the connection that is open or on a new one. It goes to a new one, too, if the other ended before
/// anything was sent on it.
async fn ask(
    load: &KeptLoad,
    open: &mut Option<Connection>,
    report: &mut KeptReport,
) -> Result<Reply> {
    if let Some(mut connection) = open.take() {
        match connection.get("/").await {
            Ok(reply) => {
                *open = Some(connection);
                return Ok(reply);
            }
            Err(error) => {
                let ended = u64::from(broken(&error).is_some());
                report.closed += ended;
                if was_sent(&error) {
                    report.cut += ended;
                    return Err(error);
                }
            }
        }
    }
    let opened = Connection::open(load.peer, load.timeout).await?;
    let mut connection = opened.for_host(&load.host);
    let reply = connection.get("/").await;
    match &reply {
        Ok(_) => *open = Some(connection),
        Err(error) => report.closed += u64::from(broken(error).is_some()),
    }
    reply
}

/// The error of the connection by which a request failed; none if it took too long.
fn broken(error: &Error) -> Option<&hyper::Error> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// Can anything of the request have left?
fn was_sent(error: &Error) -> bool {
    broken(error).is_none_or(|error| !error.is_canceled() && !error.is_closed())
}

impl KeptReport {
    fn add(&mut self, took: Duration, reply: Result<Reply>) {
        self.requests += 1;
        let why = match reply {
            Ok(reply) if reply.status == 200 => {
                self.slowest = self.slowest.max(took);
                let who = serde_json::from_str::<Who>(&reply.body);
                self.tasks.extend(who.ok().and_then(|who| who.task));
                return;
            }
            Ok(reply) => format!("answered {}: {}", reply.status, reply.body),
            Err(error) => format!("{error:#}"),
        };
        self.failed += 1;
        if self.failures.len() < SHOWN {
            self.failures.push(why);
        }
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.cut += other.cut;
        self.closed += other.closed;
        self.slowest = self.slowest.max(other.slowest);
        self.failures.extend(other.failures);
        self.failures.truncate(SHOWN);
        self.tasks.extend(other.tasks);
    }
}

#[cfg(test)]
mod tests;
