//! Clients beside the load of new and kept connections: by HTTP/2, of gRPC, by TLS. Each asks once its last request was answered.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use harness::netns::Netns;
use harness::swarm::Swarm;
use harness::traffic::grpc;
use harness::traffic::http2::{self, Kept};
use harness::traffic::load::Failure;
use harness::who::Who;
use harness::{shell, slow};
use tokio::time::MissedTickBehavior;

use crate::tools::task;

/// Longer than it takes until a router that was killed has a successor.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Requests by HTTP/2 in a second.
const HTTP2_RATE: u32 = 60;
/// Between two requests by TLS.
const TLS_PAUSE: Duration = Duration::from_millis(50);
/// Failures that are shown; all are counted.
const SHOWN: usize = 20;

/// Answers and failures of a client that asks once its last request was answered.
#[derive(Debug)]
pub(super) struct Asked {
    /// When it began to ask.
    pub(super) begun: Instant,
    /// The tasks that answered.
    pub(super) tasks: BTreeSet<String>,
    /// The requests that failed.
    pub(super) failures: Vec<Failure>,
    /// Time of each answer.
    took: Vec<Duration>,
}

impl Asked {
    /// Nothing was asked yet.
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            tasks: BTreeSet::new(),
            failures: Vec::new(),
            took: Vec::new(),
        }
    }

    fn add(&mut self, peer: SocketAddr, asked: Instant, result: Result<Who>) {
        let after = asked.elapsed();
        match result {
            Ok(who) => {
                self.took.push(after);
                self.tasks.insert(task(&who));
            }
            Err(error) => self.failures.push(Failure {
                asked: asked - self.begun,
                after,
                peer: Some(peer),
                why: format!("{error:#}"),
            }),
        }
    }

    /// The number of answers that took so long or longer.
    pub(super) fn later_than(&self, bound: Duration) -> u64 {
        self.took.iter().filter(|took| **took >= bound).count() as u64
    }

    /// Something was asked and answered.
    pub(super) fn assert_busy(&self, what: &str) {
        println!(
            "{what}: {} requests, {} failed, slowest {:?}",
            self.took.len() + self.failures.len(),
            self.failures.len(),
            self.took.iter().max()
        );
        let answered = self.took.len() as u64;
        assert!(answered > slow::fewer(10), "{what}: hardly any load");
    }

    /// Something was asked, and nothing failed.
    pub(super) fn assert_unharmed(&self, what: &str) {
        self.assert_busy(what);
        let first = self.failures.get(..SHOWN).unwrap_or(&self.failures);
        assert!(self.failures.is_empty(), "{what}: {first:#?}");
    }
}

/// Asks for a host by TLS, on a new connection each time, until it is stopped.
pub(super) fn tls(
    swarm: &Swarm,
    peers: &[SocketAddr],
    host: &str,
    trusted: &Path,
    stop: &AtomicBool,
) -> Asked {
    let mut asked = Asked::begin();
    for peer in peers.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let begin = Instant::now();
        let result = who_by_tls(swarm, peer.ip(), host, trusted);
        asked.add(*peer, begin, result);
        thread::sleep(slow::longer(TLS_PAUSE));
    }
    asked
}

/// Asks a node by TLS which task answers for a host; an error unless the node's certificate is a trusted one.
pub(super) fn who_by_tls(swarm: &Swarm, node: IpAddr, host: &str, trusted: &Path) -> Result<Who> {
    let client = swarm.client.netns();
    let answer = curl(client, &node.to_string(), ("https", host, "/"), trusted)?;
    serde_json::from_str(&answer).with_context(|| format!("`{answer}` is no answer"))
}

/// Asks a node by curl for a URL of whatever host; an error unless it succeeds, by TLS with a trusted certificate.
pub(super) fn curl(
    from: &Netns,
    node: &str,
    (scheme, host, path): (&str, &str, &str),
    trusted: &Path,
) -> Result<String> {
    let port = if scheme == "http" { 80 } else { 443 };
    let patience = slow::longer(PATIENCE).as_secs().to_string();
    shell::stdout(
        from.command("curl")
            .args(["--silent", "--show-error", "--fail"])
            .args(["--max-time", &patience])
            .args(["--resolve", &format!("{host}:{port}:{node}")])
            .arg("--cacert")
            .arg(trusted)
            .arg(format!("{scheme}://{host}{path}")),
    )
}

/// Kinds of requests by HTTP/2.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Get,
    Grpc,
}

/// Asks for a host by HTTP/2, on a connection to each peer that is kept, until it is stopped.
pub(super) fn http2(
    swarm: &Swarm,
    peers: &[SocketAddr],
    (host, kind): (&str, Kind),
    stop: &AtomicBool,
) -> Result<Asked> {
    swarm.client.block_on(async {
        let (mut asked, mut kept) = (Asked::begin(), Kept::default());
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / slow::fewer(HTTP2_RATE));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for peer in peers.iter().cycle().copied() {
            ticks.tick().await;
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let begin = Instant::now();
            let asking = async {
                match kind {
                    Kind::Get => http2::who(kept.ask(peer, || http2::get(host, "/")).await?).await,
                    Kind::Grpc => grpc::who(kept.ask(peer, || grpc::ask_who(host)).await?).await,
                }
            };
            let result = match tokio::time::timeout(slow::longer(PATIENCE), asking).await {
                Ok(result) => result,
                Err(late) => Err(late.into()),
            };
            asked.add(peer, begin, result);
        }
        Ok(asked)
    })
}
