//! The load: connections that ask, and what their answers tell.
//!
//! It says as little as it can over plain sockets: what it costs itself is in every figure.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::join_all;
use harness::client::Client;
use harness::quick::{ANSWER, ASK, ASK_FLOW, ASK_ONCE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::busy::Busy;
use crate::results::{Latency, Rate};

/// Connections at the same time, each with one request on its way.
pub(crate) const CONNECTIONS: u32 = 8;
/// A request without an answer after this time has failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a failure, before the next try.
const PAUSE: Duration = Duration::from_millis(5);

/// Answers and failures of one connection after the other.
#[derive(Default)]
struct Count {
    answered: u64,
    failed: u64,
}

impl Count {
    fn add(&mut self, result: &io::Result<()>) {
        match result {
            Ok(()) => self.answered += 1,
            Err(_) => self.failed += 1,
        }
    }
}

/// Drives a load whose sockets are the client's.
pub(crate) fn run<T: Send>(
    client: &Client,
    load: impl AsyncFnOnce() -> Result<T> + Send,
) -> Result<T> {
    client.netns().run(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting a runtime")?
            .block_on(load())
    })?
}

/// Requests on connections that stay, as many as are answered.
pub(crate) async fn kept(peer: SocketAddr, lasts: Duration) -> Result<Rate> {
    closed(lasts, async |deadline| {
        let mut count = Count::default();
        let mut open = None;
        while Instant::now() < deadline {
            let Ok(result) = timeout_at(deadline, ask_kept(peer, &mut open)).await else {
                break;
            };
            count.add(&result);
            if result.is_err() {
                open = None;
                sleep(PAUSE).await;
            }
        }
        count
    })
    .await
}

/// A connection for each request, as many as are answered.
pub(crate) async fn new(peer: SocketAddr, lasts: Duration) -> Result<Rate> {
    closed(lasts, async |deadline| {
        let mut count = Count::default();
        while Instant::now() < deadline {
            let Ok(result) = timeout_at(deadline, ask_once(peer)).await else {
                break;
            };
            count.add(&result);
            if result.is_err() {
                sleep(PAUSE).await;
            }
        }
        count
    })
    .await
}

/// Runs one worker for each connection, and adds up what they did. What is on its way at the
/// end is neither answered nor failed.
async fn closed(lasts: Duration, worker: impl AsyncFn(Instant) -> Count) -> Result<Rate> {
    let (begin, busy) = (Instant::now(), Busy::now()?);
    let workers = (0..CONNECTIONS).map(|_| worker(begin + lasts));
    let counts = join_all(workers).await;
    let (elapsed, busy) = (begin.elapsed(), busy.since()?);
    let answered = counts.iter().map(|count| count.answered).sum();
    ensure!(answered > 0, "nothing is answered");
    Ok(Rate {
        per_second: number(answered) / elapsed.as_secs_f64(),
        cpu_ms: busy.per_thousand(answered),
        failed: counts.iter().map(|count| count.failed).sum(),
    })
}

/// Requests by the clock, `rate` a second over connections that stay, and how long each took.
/// The time of one that had to wait for the one before counts from when it was due.
pub(crate) async fn paced(peer: SocketAddr, rate: u32, lasts: Duration) -> Result<Latency> {
    let busy = Busy::now()?;
    // The first ones are for connections and caches.
    let begin = Instant::now() + Duration::from_millis(50);
    let gap = Duration::from_secs(1) / rate;
    let worker = async |number: u32| {
        let (mut times, mut failed, mut open) = (Vec::new(), 0_u64, None);
        for turn in (number..).step_by(CONNECTIONS as usize) {
            let due = begin + gap * turn;
            if due >= begin + lasts {
                break;
            }
            let mut asked = due;
            if Instant::now() < due {
                sleep_until(due).await;
                // The timer's own lateness is nobody's.
                asked = Instant::now();
            }
            let result = timeout(PATIENCE, ask_kept(peer, &mut open)).await;
            if matches!(result, Ok(Ok(()))) {
                times.push(asked.elapsed());
            } else {
                (open, failed) = (None, failed + 1);
            }
        }
        (times, failed)
    };
    let parts = join_all((0..CONNECTIONS).map(worker)).await;
    let busy = busy.since()?;
    let failed = parts.iter().map(|(_, failed)| failed).sum();
    let mut times: Vec<Duration> = parts.into_iter().flat_map(|(times, _)| times).collect();
    ensure!(!times.is_empty(), "{peer} answered nothing");
    times.sort();
    Ok(Latency {
        p50: quantile(&times, 50),
        p99: quantile(&times, 99),
        cpu_ms: busy.per_thousand(times.len() as u64),
        failed,
    })
}

/// One connection full of bytes from the task: megabytes per second.
pub(crate) async fn bulk(peer: SocketAddr, lasts: Duration) -> Result<f64> {
    let mut stream = timeout(PATIENCE, TcpStream::connect(peer)).await??;
    stream.write_all(ASK_FLOW).await?;
    let mut buffer = vec![0_u8; 256 * 1024];
    // The window opens first.
    let begin = Instant::now() + lasts / 4;
    let deadline = begin + lasts;
    let mut bytes = 0_u64;
    while let Ok(read) = timeout_at(deadline, stream.read(&mut buffer)).await {
        let read = read?;
        ensure!(read > 0, "{peer} ended the flow");
        if Instant::now() >= begin {
            bytes += read as u64;
        }
    }
    ensure!(bytes > 0, "nothing came from {peer}");
    Ok(number(bytes) / lasts.as_secs_f64() / 1e6)
}

async fn ask_kept(peer: SocketAddr, open: &mut Option<TcpStream>) -> io::Result<()> {
    let stream = match open {
        Some(stream) => stream,
        None => open.insert(connect(peer).await?),
    };
    ask(stream, ASK).await
}

async fn ask_once(peer: SocketAddr) -> io::Result<()> {
    let mut stream = connect(peer).await?;
    ask(&mut stream, ASK_ONCE).await?;
    // To its end: the task closes first, as the client asked.
    match stream.read(&mut [0_u8; 16]).await? {
        0 => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn connect(peer: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(PATIENCE, TcpStream::connect(peer)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn ask(stream: &mut TcpStream, what: &[u8]) -> io::Result<()> {
    stream.write_all(what).await?;
    let mut answer = [0_u8; ANSWER.len()];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await??;
    if answer == ANSWER {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Milliseconds of the answer at so many hundredths of all, in order.
fn quantile(sorted: &[Duration], hundredths: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let time = sorted.get(last * hundredths / 100).copied();
    time.unwrap_or_default().as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "far from 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert!((quantile(&times, 50) - 100.0).abs() < 1e-9);
        assert!((quantile(&times, 99) - 198.0).abs() < 1e-9);
        assert!(quantile(&[], 99).abs() < 1e-9);
    }
}
