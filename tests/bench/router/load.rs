//! What clients do: `wrk` by HTTP/1.1, `h2load` by TLS.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::netns::Netns;
use harness::shell;

use super::process::Process;
use super::proxies::Proxy;
use super::site::HOST;

/// New connections by TLS in each [`PERIOD`]: 800 a second, which one processor can do in each proxy.
const HANDSHAKES: u64 = 8;
/// A connection is made with seven others every 10 ms.
const PERIOD: Duration = Duration::from_millis(10);

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// 16 connections that stay.
    KeepAlive16,
    /// 64 connections that stay.
    KeepAlive64,
    /// A connection for each request.
    New,
    /// A connection by TLS for each request, with a full handshake.
    NewTls,
    /// 8 connections of HTTP/2 by TLS, with 32 requests at a time each.
    Http2,
}

/// What one run of a load has found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Microseconds of processor time for a request.
    pub(super) cost: f64,
    /// Answers a second.
    pub(super) rate: f64,
}

impl Load {
    /// The first one's rate is what others are derived from.
    pub(super) const ALL: [Self; 5] = [
        Self::KeepAlive16,
        Self::KeepAlive64,
        Self::New,
        Self::NewTls,
        Self::Http2,
    ];

    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KeepAlive16 => "keep-alive, 16 connections",
            Self::KeepAlive64 => "keep-alive, 64 connections",
            Self::New => "new connections",
            Self::NewTls => "new connections by TLS",
            Self::Http2 => "HTTP/2 by TLS",
        }
    }

    /// Runs it once.
    pub(super) fn measure(
        self,
        netns: &Netns,
        proxy: Proxy,
        process: &Process,
        duration: Duration,
    ) -> Result<Measured> {
        // Both tools take whole seconds.
        let seconds = duration.as_secs().max(1);
        let before = process.processor_time()?;
        let requests = self.run(netns, proxy, seconds)?;
        let spent = process.processor_time()? - before;
        ensure!(requests > 100.0, "hardly any request: {requests}");
        Ok(Measured {
            cost: spent * 1e6 / requests,
            rate: requests / Duration::from_secs(seconds).as_secs_f64(),
        })
    }

    /// Requests that were answered.
    fn run(self, netns: &Netns, proxy: Proxy, seconds: u64) -> Result<f64> {
        match self {
            Self::KeepAlive16 => wrk(netns, proxy, seconds, &["-c16"]),
            Self::KeepAlive64 => wrk(netns, proxy, seconds, &["-c64"]),
            // `wrk` connects again by itself after an answer with `Connection: close`, as soon as it has the whole body, and
            // counts an error only where a connection ends before.
            Self::New => wrk(netns, proxy, seconds, &["-c16", "-H", "Connection: close"]),
            // Not by `wrk`: it keeps the session of TLS for the next connection, so that a proxy would do cheaper handshakes the
            // more it lets clients resume; and the name that it sends (SNI) is the address, for which the router has no certificate.
            Self::NewTls => {
                let periods = Duration::from_secs(seconds).as_millis() / PERIOD.as_millis();
                let connections = u128::from(HANDSHAKES) * periods;
                let options = [
                    "--h1".to_owned(),
                    format!("--requests={connections}"),
                    format!("--clients={connections}"),
                    format!("--rate={HANDSHAKES}"),
                    format!("--rate-period={}ms", PERIOD.as_millis()),
                ];
                h2load(netns, proxy, &options)
            }
            Self::Http2 => {
                let options = [
                    "--clients=8".to_owned(),
                    "--max-concurrent-streams=32".to_owned(),
                    format!("--duration={seconds}"),
                    "--warm-up-time=0".to_owned(),
                ];
                h2load(netns, proxy, &options)
            }
        }
    }
}

/// Loads by HTTP/1.1 in the clear; requests that were answered.
fn wrk(netns: &Netns, proxy: Proxy, seconds: u64, options: &[&str]) -> Result<f64> {
    let [http, _] = proxy.ports();
    let mut wrk = netns.command("wrk");
    wrk.args(["-t1", &format!("-d{seconds}s")]).args(options);
    wrk.args(["-H", &format!("Host: {HOST}")]);
    let said = shell::stdout(wrk.arg(format!("http://127.0.0.1:{http}/")))?;
    of_wrk(&said).with_context(|| format!("wrk says: {said}"))
}

/// Loads by TLS; requests that were answered. The name of the host is sent in the handshake, as browsers do.
fn h2load(netns: &Netns, proxy: Proxy, options: &[String]) -> Result<f64> {
    let [_, https] = proxy.ports();
    let mut h2load = netns.command("h2load");
    h2load.arg("--threads=1").args(options);
    h2load.arg(format!("--connect-to=127.0.0.1:{https}"));
    let said = shell::stdout(h2load.arg(format!("https://{HOST}:{https}/")))?;
    of_h2load(&said).with_context(|| format!("h2load says: {said}"))
}

/// `N requests in …`; an error if anything failed.
fn of_wrk(said: &str) -> Result<f64> {
    for failure in ["Socket errors:", "Non-2xx or 3xx responses:"] {
        ensure!(!said.contains(failure), "some failed");
    }
    let line = said.lines().find(|line| line.contains(" requests in "));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no number of requests")?.parse()?)
}

/// `requests: … N succeeded, M failed …`; an error if anything failed, which an answer without a status of success has, too.
fn of_h2load(said: &str) -> Result<f64> {
    let line = said.lines().find(|line| line.starts_with("requests:"));
    let words: Vec<&str> = line
        .context("no line of requests")?
        .split_whitespace()
        .collect();
    let before = |word: &str| {
        let at = words
            .iter()
            .position(|it| it.trim_end_matches(',') == word)?;
        words.get(at.checked_sub(1)?)?.parse::<f64>().ok()
    };
    for failure in ["failed", "errored", "timeout"] {
        ensure!(before(failure) == Some(0.0), "some {failure}");
    }
    before("succeeded").context("no number of requests")
}
