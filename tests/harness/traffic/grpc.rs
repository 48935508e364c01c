//! Calls of gRPC at the test service: messages with their lengths before them, and the status in trailers.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::convert::Infallible;

use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, TE};
use hyper::{Request, Response};
use tokio::sync::mpsc;

use super::http2::{Body, Sender};
use crate::who::Who;

/// Bytes of a message before its text.
const PREFIX: usize = 5;

/// Asks which task answers: a call with one message each way.
pub fn ask_who(host: &str) -> Result<Request<Body>> {
    call(host, "Who", Full::new(message(b"")).boxed_unsync())
}

/// The task that has answered such a call.
pub async fn who(answer: Response<Incoming>) -> Result<Who> {
    let status = answer.status();
    let answer = answer.into_body().collect().await?;
    let trailers = answer.trailers().cloned();
    let bytes = answer.to_bytes();
    let said = String::from_utf8_lossy(&bytes);
    ensure!(status == 200, "answered {status}: {said}");
    succeeded(trailers.as_ref())?;
    let text = bytes.get(PREFIX..).unwrap_or_default();
    serde_json::from_slice(text).with_context(|| format!("`{said}` is no answer"))
}

/// A stream of messages to a task, which sends them back one by one.
#[derive(Debug)]
pub struct Echo {
    messages: mpsc::Sender<Bytes>,
    answers: Incoming,
    /// What has come back and was not compared yet.
    came: Vec<u8>,
}

impl Echo {
    /// Opens one by this connection.
    pub async fn open(connection: &mut Sender, host: &str) -> Result<Self> {
        let (messages, sent) = mpsc::channel::<Bytes>(1);
        let frames = stream::unfold(sent, |mut sent| async move {
            let message = sent.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(message)), sent))
        });
        let request = call(host, "Stream", StreamBody::new(frames).boxed_unsync())?;
        let answer = connection.send_request(request).await?;
        ensure!(answer.status() == 200, "answered {}", answer.status());
        Ok(Self {
            messages,
            answers: answer.into_body(),
            came: Vec::new(),
        })
    }

    /// Sends a message, and waits until it is back.
    pub async fn exchange(&mut self, text: &[u8]) -> Result<()> {
        let message = message(text);
        let sent = self.messages.send(message.clone()).await;
        sent.context("the stream takes no message")?;
        while self.came.len() < message.len() {
            let frame = self.answers.frame().await.context("the stream was cut")??;
            let data = frame.into_data();
            let data = data.map_err(|frame| anyhow!("the stream was ended: {frame:?}"))?;
            self.came.extend_from_slice(&data);
        }
        let back: Vec<u8> = self.came.drain(..message.len()).collect();
        ensure!(back == message, "{back:?} came back for {message:?}");
        Ok(())
    }

    /// Ends it; an error unless the task says that it has succeeded.
    pub async fn end(self) -> Result<()> {
        drop(self.messages);
        succeeded(self.answers.collect().await?.trailers())
    }
}

fn call(host: &str, method: &str, messages: Body) -> Result<Request<Body>> {
    let request = Request::post(format!("http://{host}/grpc.test/{method}"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers");
    Ok(request.body(messages)?)
}

/// A message: not compressed, the length of its text, and its text.
fn message(text: &[u8]) -> Bytes {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut message = vec![0];
    message.extend(length.to_be_bytes());
    message.extend(text);
    message.into()
}

fn succeeded(trailers: Option<&HeaderMap>) -> Result<()> {
    let status = trailers.and_then(|it| it.get("grpc-status"));
    ensure!(status.is_some_and(|it| it == "0"), "ended by {trailers:?}");
    Ok(())
}
