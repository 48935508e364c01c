//! Clients that stay: WebSockets, streams of gRPC and long answers of one task, through routers that go on or are replaced.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use bytes::Bytes;
use harness::beside::beside;
use harness::client::PATIENCE;
use harness::slow;
use harness::swarm::Swarm;
use harness::traffic::{grpc, http2};
use http_body_util::BodyExt as _;

/// The host of the task that stays, and that of its calls of gRPC.
const HOST: &str = "stays.test";
const CALLS: &str = "calls.stays.test";
/// Between two messages.
const PAUSE: Duration = Duration::from_millis(100);
/// For so long, a router that is told to end goes on with what is under way.
const GRACE: Duration = Duration::from_secs(55);
/// An update of all routers, and their grace, take less.
const AT_MOST: Duration = Duration::from_secs(90);

/// A stream to the task that stays, through a router: the number of messages or bytes that came until it was stopped, or
/// why it was cut.
type Stream = fn(&Swarm, SocketAddr, &AtomicBool) -> Result<u64>;

const STREAMS: [(&str, Stream); 3] = [
    ("WebSocket", websocket),
    ("gRPC", grpc_stream),
    ("long answer", long_answer),
];

/// Does something while a stream of each kind goes through each of these routers: none is cut.
pub(super) fn uncut<T>(
    swarm: &Swarm,
    peers: &[SocketAddr],
    acts: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let talks = |stop: &AtomicBool| through_all(peers, |stream, peer| stream(swarm, peer, stop));
    let (done, talked) = beside(talks, acts)?;
    println!("streams that were not cut, messages or bytes of each: {talked:?}");
    Ok(done)
}

/// Replaces these routers, and does more, while a stream of each kind goes through each of them: each lives for the grace that a
/// router has, from when it is told to end, which is after this began. Then it ends.
pub(super) fn replaced<T>(
    swarm: &Swarm,
    peers: &[SocketAddr],
    acts: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let begin = Instant::now();
    let talks = |_: &AtomicBool| {
        through_all(peers, |stream, peer| {
            until_cut(begin, |stop| stream(swarm, peer, stop))
        })
    };
    let (done, cut) = beside(talks, acts)?;
    for (lived, why) in cut {
        println!("a stream through a router that was replaced lived {lived:?}: {why:#}");
        assert!(lived >= GRACE, "cut after {lived:?}: {why:#}");
    }
    Ok(done)
}

/// What `talks` makes of a stream of each kind through each of these routers, all at once.
fn through_all<T: Send>(
    peers: &[SocketAddr],
    talks: impl Fn(Stream, SocketAddr) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let talks = &talks;
    thread::scope(|scope| {
        let mut running = Vec::new();
        for peer in peers.iter().copied() {
            for (name, stream) in STREAMS {
                let talk =
                    move || talks(stream, peer).with_context(|| format!("a {name} through {peer}"));
                running.push(scope.spawn(talk));
            }
        }
        let joined = running.into_iter().map(|talking| {
            let talked = talking.join();
            talked.map_err(|_| anyhow!("what used a stream panicked"))?
        });
        joined.collect()
    })
}

/// Time from `begin` until a stream was cut, and the error that cut it; an error if nothing cuts it.
fn until_cut(
    begin: Instant,
    talks: impl FnOnce(&AtomicBool) -> Result<u64> + Send,
) -> Result<(Duration, Error)> {
    let stop = AtomicBool::new(false);
    let at_most = slow::longer(AT_MOST);
    let (talked, lived) = thread::scope(|scope| {
        let talking = scope.spawn(|| (talks(&stop), begin.elapsed()));
        while !talking.is_finished() && begin.elapsed() < at_most {
            thread::sleep(PAUSE);
        }
        stop.store(true, Ordering::Relaxed);
        let joined = talking.join();
        joined.map_err(|_| anyhow!("the stream's client panicked"))
    })?;
    match talked {
        Ok(count) => bail!("goes on after {lived:?}, and {count} messages or bytes"),
        Err(why) => Ok((lived, why)),
    }
}

/// Reads a long answer by HTTP/2, a byte each 50 ms.
fn long_answer(swarm: &Swarm, peer: SocketAddr, stop: &AtomicBool) -> Result<u64> {
    swarm.client.block_on(async {
        let mut sender = http2::connect(peer).await?;
        let long = http2::get(HOST, "/slow/1000000?ms=50")?;
        let answer = sender.send_request(long).await?;
        ensure!(answer.status() == 200, "answered {}", answer.status());
        let (mut body, mut bytes) = (answer.into_body(), 0_u64);
        while !stop.load(Ordering::Relaxed) {
            let frame = tokio::time::timeout(slow::longer(PATIENCE), body.frame()).await;
            let frame = frame.with_context(|| format!("nothing after {bytes} bytes"))?;
            let frame = frame.with_context(|| format!("cut after {bytes} bytes"))??;
            bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        Ok(bytes)
    })
}

/// Sends messages on a stream of gRPC and reads them back.
fn grpc_stream(swarm: &Swarm, peer: SocketAddr, stop: &AtomicBool) -> Result<u64> {
    swarm.client.block_on(async {
        let mut connection = http2::connect(peer).await?;
        let mut echo = grpc::Echo::open(&mut connection, CALLS).await?;
        let mut messages = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            let message = messages.to_be_bytes();
            let back = tokio::time::timeout(slow::longer(PATIENCE), echo.exchange(&message)).await;
            back.with_context(|| format!("nothing after {messages} messages"))?
                .with_context(|| format!("after {messages} messages"))?;
            messages += 1;
            tokio::time::sleep(slow::longer(PAUSE)).await;
        }
        echo.end().await?;
        Ok(messages)
    })
}

/// Sends messages on a WebSocket and reads them back.
pub(super) fn websocket(swarm: &Swarm, peer: SocketAddr, stop: &AtomicBool) -> Result<u64> {
    swarm.client.netns().run(|| talk(peer, stop))?
}

fn talk(peer: SocketAddr, stop: &AtomicBool) -> Result<u64> {
    let mut stream = TcpStream::connect_timeout(&peer, PATIENCE)?;
    stream.set_read_timeout(Some(slow::longer(PATIENCE)))?;
    stream.write_all(
        format!(
            "GET /echo HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
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
        thread::sleep(slow::longer(PAUSE));
    }
    Ok(messages)
}
