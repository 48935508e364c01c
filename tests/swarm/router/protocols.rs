//! Clients beside the load of new and kept connections: by HTTP/2, of gRPC, by TLS, of a WebSocket, of a long answer.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use harness::client::PATIENCE;
use harness::netns::Netns;
use harness::swarm::Swarm;
use harness::traffic::grpc;
use harness::traffic::http2::{self, Kept};
use harness::who::Who;
use harness::{shell, slow};
use http_body_util::BodyExt as _;
use tokio::time::MissedTickBehavior;

use crate::tools::task;

/// Requests by HTTP/2 in a second.
const HTTP2_RATE: u32 = 60;
/// Between two requests by TLS.
const TLS_PAUSE: Duration = Duration::from_millis(50);
/// Between two messages on a WebSocket.
const MESSAGE_PAUSE: Duration = Duration::from_millis(100);
/// Failures that are shown; all are counted.
const SHOWN: usize = 20;

/// Answers and failures of a client that asks once its last request was answered.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The tasks that answered.
    pub(super) tasks: BTreeSet<String>,
    answered: u64,
    failed: u64,
    failures: Vec<String>,
    slowest: Duration,
}

impl Asked {
    fn add(&mut self, peer: SocketAddr, begin: Instant, result: Result<Who>) {
        match result {
            Ok(who) => {
                self.answered += 1;
                self.tasks.insert(task(&who));
                self.slowest = self.slowest.max(begin.elapsed());
            }
            Err(error) => {
                self.failed += 1;
                if self.failures.len() < SHOWN {
                    let after = begin.elapsed();
                    let failure = format!("{peer}, after {after:?}: {error:#}");
                    self.failures.push(failure);
                }
            }
        }
    }

    /// Something was asked, and nothing failed.
    pub(super) fn assert_unharmed(&self, what: &str) {
        println!(
            "{what}: {} requests, {} failed, slowest {:?}",
            self.answered + self.failed,
            self.failed,
            self.slowest
        );
        assert_eq!(self.failed, 0, "{what}: {:#?}", self.failures);
        assert!(self.answered > slow::fewer(10), "{what}: hardly any load");
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
    let mut asked = Asked::default();
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
        let (mut asked, mut kept) = (Asked::default(), Kept::default());
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

/// Reads a long answer by HTTP/2, a byte each 50 ms, until it is stopped; how many bytes came.
pub(super) fn stream(
    swarm: &Swarm,
    peer: SocketAddr,
    host: &str,
    stop: &AtomicBool,
) -> Result<usize> {
    swarm.client.block_on(async {
        let mut sender = http2::connect(peer).await?;
        let long = http2::get(host, "/slow/1000000?ms=50")?;
        let answer = sender.send_request(long).await?;
        ensure!(answer.status() == 200, "answered {}", answer.status());
        let (mut body, mut bytes) = (answer.into_body(), 0);
        while !stop.load(Ordering::Relaxed) {
            let frame = tokio::time::timeout(slow::longer(PATIENCE), body.frame()).await;
            let frame = frame.with_context(|| format!("nothing after {bytes} bytes"))?;
            let frame = frame.with_context(|| format!("cut after {bytes} bytes"))??;
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
        Ok(bytes)
    })
}

/// Sends messages on a stream of gRPC and reads them back until it is stopped; how many.
pub(super) fn grpc_stream(
    swarm: &Swarm,
    peer: SocketAddr,
    host: &str,
    stop: &AtomicBool,
) -> Result<u64> {
    swarm.client.block_on(async {
        let mut connection = http2::connect(peer).await?;
        let mut echo = grpc::Echo::open(&mut connection, host).await?;
        let mut messages = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            let message = messages.to_be_bytes();
            let back = tokio::time::timeout(slow::longer(PATIENCE), echo.exchange(&message)).await;
            back.with_context(|| format!("gRPC by {peer}: nothing after {messages} messages"))?
                .with_context(|| format!("gRPC by {peer}, after {messages} messages"))?;
            messages += 1;
            tokio::time::sleep(slow::longer(MESSAGE_PAUSE)).await;
        }
        echo.end().await?;
        Ok(messages)
    })
}

/// Sends messages on a WebSocket and reads them back until it is stopped; how many.
pub(super) fn websocket(
    swarm: &Swarm,
    peer: SocketAddr,
    host: &str,
    stop: &AtomicBool,
) -> Result<u64> {
    let talked = swarm.client.netns().run(|| talk(peer, host, stop))?;
    talked.with_context(|| format!("the WebSocket by {peer}"))
}

fn talk(peer: SocketAddr, host: &str, stop: &AtomicBool) -> Result<u64> {
    let mut stream = TcpStream::connect_timeout(&peer, PATIENCE)?;
    stream.set_read_timeout(Some(slow::longer(PATIENCE)))?;
    stream.write_all(
        format!(
            "GET /echo HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let (mut head, mut byte) = (Vec::<u8>::new(), [0_u8]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).context("no handshake")?;
        head.extend(byte);
    }
    let said = String::from_utf8_lossy(&head);
    ensure!(said.starts_with("HTTP/1.1 101 "), "the handshake: {said}");
    let mut messages = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let (message, mut back) = (messages.to_be_bytes(), [0_u8; 8]);
        stream
            .write_all(&message)
            .and_then(|()| stream.read_exact(&mut back))
            .with_context(|| format!("cut after {messages} messages"))?;
        ensure!(back == message, "{back:?} came back for {message:?}");
        messages += 1;
        thread::sleep(slow::longer(MESSAGE_PAUSE));
    }
    Ok(messages)
}
