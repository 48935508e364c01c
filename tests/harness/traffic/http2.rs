//! HTTP/2 by prior knowledge.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::who::Who;

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A connection, as requests are sent by it.
pub type Sender = SendRequest<Body>;

/// Connects.
pub async fn connect(peer: SocketAddr) -> Result<Sender> {
    let stream = TcpStream::connect(peer).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // The request that suffers from its end reports the error.
    tokio::spawn(connection);
    Ok(sender)
}

/// `GET path` of a host.
pub fn get(host: &str, path: &str) -> Result<Request<Body>> {
    let url = format!("http://{host}{path}");
    Ok(Request::get(url).body(Empty::new().boxed_unsync())?)
}

/// The task that has answered `GET /`.
pub async fn who(answer: Response<Incoming>) -> Result<Who> {
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let said = String::from_utf8_lossy(&body);
    ensure!(status == 200, "answered {status}: {said}");
    serde_json::from_str(&said).with_context(|| format!("`{said}` is no answer"))
}

/// Connections that are kept, one to each peer.
#[derive(Debug, Default)]
pub struct Kept(BTreeMap<SocketAddr, Sender>);

impl Kept {
    /// Sends a request to a peer; the head of its answer.
    pub async fn ask(
        &mut self,
        peer: SocketAddr,
        request: impl Fn() -> Result<Request<Body>>,
    ) -> Result<Response<Incoming>> {
        let open = self.0.remove(&peer).filter(|sender| !sender.is_closed());
        let mut sender = match open {
            Some(sender) => sender,
            None => connect(peer).await?,
        };
        let first = sender.send_request(request()?).await;
        let answer = match first {
            // The peer had said that the connection takes no more requests (GOAWAY): this one was not sent.
            Err(error) if error.is_canceled() => {
                sender = connect(peer).await?;
                sender.send_request(request()?).await?
            }
            answer => answer?,
        };
        self.0.insert(peer, sender);
        Ok(answer)
    }
}
