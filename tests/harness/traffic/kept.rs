//! Requests by the clock on connections that stay open, through a proxy that changes meanwhile.
//!
//! A request that was sent and not answered by 200 has failed. A connection that ends between two requests costs its client a
//! new connection and nothing else: it is counted by itself.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use futures_util::future::join_all;
use tokio::time::{self, MissedTickBehavior};

use super::http::{Connection, Reply};
use crate::slow;

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
    /// Connections that the peer ended: by an answer that said so, between two requests, or in place of an answer.
    pub closed: u64,
    /// The longest request that succeeded.
    pub slowest: Duration,
    /// Why the first ones failed.
    pub failures: Vec<String>,
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
        let reply = ask(load, &mut open, &mut report.closed).await;
        report.add(begin.elapsed(), reply);
    }
}

/// Sends one request, on the connection that is open or on a new one. It goes to a new one, too, if the other ended before
/// anything was sent on it.
async fn ask(load: &KeptLoad, open: &mut Option<Connection>, closed: &mut u64) -> Result<Reply> {
    if let Some(mut connection) = open.take() {
        match connection.get("/").await {
            Ok(reply) => {
                *open = Some(connection);
                return Ok(reply);
            }
            Err(error) => {
                *closed += u64::from(broken(&error).is_some());
                if was_sent(&error) {
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
        Err(error) => *closed += u64::from(broken(error).is_some()),
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
        self.closed += other.closed;
        self.slowest = self.slowest.max(other.slowest);
        self.failures.extend(other.failures);
        self.failures.truncate(SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::load::{self, Load, Report};
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    const BAD_GATEWAY: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    /// Duration of each load.
    const MOMENT: Duration = Duration::from_millis(400);
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Answers each request by these bytes, and closes the connection after the first one if `closes`.
    async fn serve(listener: TcpListener, answer: &'static [u8], closes: bool) {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    head.clear();
                    if stream.write_all(answer).await.is_err() || closes {
                        return;
                    }
                }
            });
        }
    }

    /// The address of such a server.
    async fn server(answer: &'static [u8], closes: bool) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, answer, closes));
        address
    }

    /// An address where nobody listens.
    async fn nobody() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap()
    }

    /// What comes of two connections with 50 requests a second.
    async fn kept(peer: SocketAddr) -> KeptReport {
        let load = KeptLoad {
            peer,
            host: "some.test".to_owned(),
            connections: 2,
            rate: 50,
            timeout: PATIENCE,
        };
        let stop = AtomicBool::new(false);
        let stopping = async {
            time::sleep(MOMENT).await;
            stop.store(true, Ordering::Relaxed);
        };
        let (report, ()) = tokio::join!(run(&load, &stop), stopping);
        assert!(report.requests > 1, "{report:?}");
        report
    }

    /// What comes of a new connection for each of 50 requests a second.
    async fn new(peer: SocketAddr) -> Report {
        let load = Load {
            rate: 50,
            at_most: MOMENT,
            ..Load::new([peer])
        };
        load::run(&load, &Arc::default()).await
    }

    #[tokio::test]
    async fn a_refused_connection_is_a_failed_request() {
        let peer = nobody().await;
        let report = kept(peer).await;
        assert_eq!((report.failed, report.closed), (report.requests, 0));
        let report = new(peer).await;
        assert!(report.failed > 1 && report.answered() == 0, "{report:?}");
    }

    #[tokio::test]
    async fn an_answer_other_than_200_is_a_failed_request() {
        let peer = server(BAD_GATEWAY, false).await;
        let report = kept(peer).await;
        assert_eq!((report.failed, report.closed), (report.requests, 0));
        let report = new(peer).await;
        assert!(report.failed > 1 && report.answered() == 0, "{report:?}");
    }

    #[tokio::test]
    async fn a_connection_that_ends_in_place_of_an_answer_is_a_failed_request() {
        let report = kept(server(b"", true).await).await;
        assert_eq!(report.failed, report.requests, "{report:?}");
        assert_eq!(report.closed, report.requests, "{report:?}");
    }

    #[tokio::test]
    async fn a_connection_that_ends_between_two_answers_is_counted_and_no_failure() {
        for last in [OK, LAST] {
            let report = kept(server(last, true).await).await;
            assert!(report.closed > 1, "{report:?}");
            assert_eq!(report.failed, 0, "{report:?}");
        }
    }

    #[tokio::test]
    async fn where_all_is_answered_nothing_has_failed_or_ended() {
        let report = kept(server(OK, false).await).await;
        assert_eq!((report.failed, report.closed), (0, 0), "{report:?}");
    }
}
