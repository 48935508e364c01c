//! The service's HTTP interface.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use harness::pattern;
use harness::who::Received;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};

use crate::grpc;
use crate::whoami::{Whoami, json_line};

type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) async fn answer(
    request: Request<Incoming>,
    whoami: Arc<Whoami>,
    peer: SocketAddr,
    local: SocketAddr,
) -> Result<Response<Body>, hyper::Error> {
    let path = request.uri().path().to_owned();
    if let Some(call) = path.strip_prefix(grpc::SERVICE) {
        let who = whoami.line(peer, local);
        return Ok(grpc::answer(call, request.into_body(), &who).await);
    }
    let mut parts = path.split('/').skip(1);
    let (verb, argument) = (parts.next().unwrap_or_default(), parts.next());
    let method = request.method().clone();
    Ok(match (method, verb, argument.map(str::parse::<u64>)) {
        (Method::GET, "", None) => text(StatusCode::OK, whoami.line(peer, local)),
        (Method::GET, "env", None) => {
            let environment: BTreeMap<String, String> = std::env::vars().collect();
            text(StatusCode::OK, json_line(&environment))
        }
        (Method::GET, "datagrams", None) => text(StatusCode::OK, whoami.datagrams()),
        (Method::GET, "bytes", Some(Ok(len))) => stream_of(
            len,
            stream::iter(pattern::chunks(len).map(|chunk| Ok(Frame::data(chunk)))),
        ),
        (Method::GET, "slow", Some(Ok(len))) => stream_of(len, slowly(len, pause(&request))),
        (Method::GET, "echo", None) if request.headers().contains_key(UPGRADE) => echo(request),
        (Method::PUT | Method::POST, "upload", None) => text(
            StatusCode::OK,
            json_line(&receive(request.into_body()).await?),
        ),
        (Method::GET, "healthz", None) if whoami.is_healthy() => text(StatusCode::OK, "ok\n"),
        (Method::GET, "healthz", None) => text(StatusCode::SERVICE_UNAVAILABLE, "unhealthy\n"),
        (Method::POST, "healthy" | "unhealthy", None) => {
            whoami.set_healthy(verb == "healthy");
            text(StatusCode::OK, "ok\n")
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "GET / /bytes/N /slow/N?ms=M /echo /env /datagrams /healthz, PUT /upload, POST /healthy /unhealthy\n",
        ),
    })
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn stream_of(
    len: u64,
    frames: impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + 'static,
) -> Response<Body> {
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_LENGTH, len.into());
    response
}

/// `len` bytes, one after each pause.
fn slowly(
    len: u64,
    pause: Duration,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    stream::unfold(len, move |left| async move {
        let left = left.checked_sub(1)?;
        tokio::time::sleep(pause).await;
        Some((Ok(Frame::data(Bytes::from_static(b"."))), left))
    })
}

/// Opens a WebSocket as far as proxies look at it: after the handshake, bytes come back as they were sent, in whatever
/// frames. The key of the handshake is not digested.
fn echo(request: Request<Incoming>) -> Response<Body> {
    let mut response = text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, key.clone());
    }
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
            // A connection that breaks is the client's to report.
            let _ = tokio::io::copy(&mut from, &mut to).await;
        }
    });
    response
}

fn pause(request: &Request<Incoming>) -> Duration {
    let milliseconds = request
        .uri()
        .query()
        .and_then(|query| query.strip_prefix("ms="))
        .and_then(|ms| ms.parse().ok())
        .unwrap_or(100);
    Duration::from_millis(milliseconds)
}

async fn receive(mut body: Incoming) -> Result<Received, hyper::Error> {
    let (mut bytes, mut digest) = (0_u64, Sha256::new());
    while let Some(frame) = body.frame().await.transpose()? {
        if let Some(data) = frame.data_ref() {
            bytes += data.len() as u64;
            digest.update(data);
        }
    }
    Ok(Received {
        bytes,
        sha256: pattern::hex(digest),
    })
}
