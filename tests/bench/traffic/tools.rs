//! The load: `wrk` for connections and requests, `curl` for bytes. Both are quicker than what
//! they ask.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use harness::shell;

use super::testbed::{Testbed, Variant};

/// Connections that ask at the same time.
const CONNECTIONS: &str = "-c16";
/// Duration of a round.
const SECONDS: &str = "-d1s";

/// Kind of load that a client makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// A connection for each request.
    Short,
    /// Requests on connections that stay.
    KeepAlive,
    /// One large answer.
    Bulk,
}

impl Load {
    pub(super) const ALL: [Self; 3] = [Self::Short, Self::KeepAlive, Self::Bulk];

    /// In words, with its unit.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Short => "short connections/s",
            Self::KeepAlive => "keep-alive requests/s",
            Self::Bulk => "bulk TCP, task to client, MB/s",
        }
    }

    /// Runs it once; a download has so many `bytes`.
    pub(super) fn run(self, testbed: &Testbed<'_>, variant: Variant, bytes: u64) -> Result<f64> {
        let peer = testbed.peer(variant);
        let client = |program| testbed.swarm.client.netns().command(program);
        match self {
            Self::Bulk => {
                let format = "%{speed_download} %{size_download}";
                let url = format!("http://{peer}/bytes/{bytes}");
                let mut curl = client("curl");
                curl.args(["-sS", "-o", "/dev/null", "-m", "30", "-w", format, &url]);
                let said = shell::stdout(&mut curl)?;
                let (speed, size) = said.split_once(' ').context("what curl says")?;
                ensure!(size.parse() == Ok(bytes), "{size} of {bytes} bytes came");
                Ok(speed.parse::<f64>()? / 1e6)
            }
            Self::KeepAlive => requests(client("wrk"), &[], peer),
            Self::Short => requests(client("wrk"), &["-H", "Connection: close"], peer),
        }
    }
}

/// Requests per second.
fn requests(mut wrk: Command, options: &[&str], peer: std::net::SocketAddr) -> Result<f64> {
    let url = format!("http://{peer}/");
    wrk.args(["-t1", CONNECTIONS, SECONDS])
        .args(options)
        .arg(url);
    let said = shell::stdout(&mut wrk)?;
    rate(&said).with_context(|| format!("wrk says: {said}"))
}

/// Out of wrk's report; an error if anything failed.
fn rate(said: &str) -> Result<f64> {
    let value = |name: &str| said.lines().find_map(|line| line.trim().strip_prefix(name));
    for failure in ["Socket errors:", "Non-2xx or 3xx responses:"] {
        if let Some(failed) = value(failure) {
            anyhow::bail!("{failure}{failed}");
        }
    }
    Ok(value("Requests/sec:").context("no rate")?.trim().parse()?)
}
