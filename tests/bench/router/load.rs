//! What clients do: `wrk` by HTTP/1.1, `h2load` by HTTP/2, and connections that do nothing.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::netns::Netns;
use harness::shell;

use super::process::Process;
use super::proxies::{HOST, Proxy};

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// 16 connections that stay.
    KeepAlive16,
    /// 64 connections that stay.
    KeepAlive64,
    /// A connection for each request.
    New,
    /// A connection by TLS for each request.
    NewTls,
    /// 8 connections of HTTP/2 by TLS, with 32 requests at a time each.
    Http2,
}

impl Load {
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

    /// Microseconds of processor time for a request.
    pub(super) fn cost(
        self,
        netns: &Netns,
        proxy: Proxy,
        process: &Process,
        duration: Duration,
    ) -> Result<f64> {
        let before = process.processor_time()?;
        let requests = self.run(netns, proxy, duration)?;
        let spent = process.processor_time()? - before;
        ensure!(requests > 100.0, "hardly any request: {requests}");
        Ok(spent * 1e6 / requests)
    }

    /// Requests that were answered.
    fn run(self, netns: &Netns, proxy: Proxy, duration: Duration) -> Result<f64> {
        let [http, https] = proxy.ports();
        let seconds = duration.as_secs().max(1).to_string();
        let http = format!("http://127.0.0.1:{http}/");
        let https = format!("https://127.0.0.1:{https}/");
        let host = format!("Host: {HOST}");
        let wrk = |connections: &str, close: bool, url: &str| {
            let mut wrk = netns.command("wrk");
            wrk.args(["-t1", connections, &format!("-d{seconds}s"), "-H", &host]);
            if close {
                wrk.args(["-H", "Connection: close"]);
            }
            let said = shell::stdout(wrk.arg(url))?;
            of_wrk(&said).with_context(|| format!("wrk says: {said}"))
        };
        match self {
            Self::KeepAlive16 => wrk("-c16", false, &http),
            Self::KeepAlive64 => wrk("-c64", false, &http),
            Self::New => wrk("-c16", true, &http),
            // No name is sent for an address; ours serves the address by its certificate's name.
            Self::NewTls => wrk("-c16", true, &https),
            Self::Http2 => {
                let mut h2load = netns.command("h2load");
                h2load.args([
                    "-t1",
                    "-c8",
                    "-m32",
                    "-D",
                    &seconds,
                    "--warm-up-time=0",
                    &https,
                ]);
                let said = shell::stdout(&mut h2load)?;
                of_h2load(&said).with_context(|| format!("h2load says: {said}"))
            }
        }
    }
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

/// `requests: … N succeeded, M failed …`; an error if anything failed.
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
    ensure!(before("failed") == Some(0.0), "some failed");
    before("succeeded").context("no number of requests")
}

/// KiB of resident memory for a connection that has had an answer and waits.
pub(super) fn idle_connections(
    netns: &Netns,
    proxy: Proxy,
    process: &Process,
    count: u32,
) -> Result<f64> {
    let [http, _] = proxy.ports();
    let before = process.resident_kib()?;
    let open = || -> Result<Vec<TcpStream>> {
        let mut open = Vec::new();
        for _ in 0..count {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, http))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(stream, "GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")?;
            let mut answer = [0; 4096];
            let length = stream.read(&mut answer)?;
            let begins = answer.get(..length).unwrap_or_default();
            ensure!(
                begins.starts_with(b"HTTP/1.1 200"),
                "{:?}",
                begins.escape_ascii()
            );
            open.push(stream);
        }
        Ok(open)
    };
    let connections = netns.run(open)??;
    let after = process.resident_kib()?;
    drop(connections);
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let grown = after.saturating_sub(before) as f64;
    Ok(grown / f64::from(count))
}
