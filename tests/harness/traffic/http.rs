//! HTTP/1.1 over connections whose number and life the caller decides.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::assert_reserved;
use super::pace::Pace;
use crate::pattern;
use crate::slow;
use crate::who::{Received, Who};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: String,
}

/// A connection from an end of its own, or one that is `shared` with others.
async fn bound(local: SocketAddr, shared: bool, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(shared)?;
    socket.bind(local)?;
    socket.connect(peer).await
}

/// One TCP connection, kept alive between requests; closed when dropped.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Body>,
    driver: JoinHandle<()>,
    peer: SocketAddr,
    host: String,
    local: SocketAddr,
    timeout: Duration,
    /// The last answer said that it is the last one.
    ended: bool,
}

impl Connection {
    /// Connects; `timeout` holds for this and for each request.
    pub async fn open(peer: SocketAddr, timeout: Duration) -> Result<Self> {
        Self::over(peer, timeout, TcpStream::connect(peer)).await
    }

    /// Connects from this one of the client's addresses.
    pub async fn open_from(local: Ipv4Addr, peer: SocketAddr, timeout: Duration) -> Result<Self> {
        Self::over(peer, timeout, bound((local, 0).into(), false, peer)).await
    }

    /// Connects from the client's end `local`, which connections to other peers may share.
    pub async fn open_at(local: SocketAddr, peer: SocketAddr, timeout: Duration) -> Result<Self> {
        assert_reserved(local.port());
        Self::over(peer, timeout, bound(local, true, peer)).await
    }

    async fn over(
        peer: SocketAddr,
        timeout: Duration,
        connecting: impl Future<Output = io::Result<TcpStream>>,
    ) -> Result<Self> {
        within(timeout, async {
            let stream = connecting.await?;
            stream.set_nodelay(true)?;
            let local = stream.local_addr()?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let driver = tokio::spawn(async move {
                // The request that suffers from it reports the error.
                let _ = connection.await;
            });
            Ok(Self {
                sender,
                driver,
                peer,
                host: peer.to_string(),
                local,
                timeout,
                ended: false,
            })
        })
        .await
        .with_context(|| format!("connecting to {peer}"))
    }

    /// Requests ask for this host, and not for the peer's address.
    #[must_use]
    pub fn for_host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// The client's own end.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Has the server said with its last answer that it takes no more requests (`Connection: close`; RFC 9112, section
    /// 9.6)? Clients connect again then, without a request that has failed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Has the server closed the connection? A client that waits for no answer sees that, and connects again.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// `GET path`, whatever the status.
    pub async fn get(&mut self, path: &str) -> Result<Reply> {
        self.request(Method::GET, path, None).await
    }

    /// `POST path` without a body, whatever the status.
    pub async fn post(&mut self, path: &str) -> Result<Reply> {
        self.request(Method::POST, path, Some(0)).await
    }

    /// Asks which task answers.
    pub async fn who(&mut self) -> Result<Who> {
        let reply = self.get("/").await?;
        ensure!(
            reply.status == 200,
            "{} answered {}: {}",
            self.peer,
            reply.status,
            reply.body
        );
        serde_json::from_str(&reply.body).with_context(|| format!("`{}` is no answer", reply.body))
    }

    /// `GET path`: length and digest of what came, no sooner than `pace` allows.
    pub async fn download(&mut self, path: &str, pace: Option<&Pace>) -> Result<Received> {
        let (timeout, what) = (self.timeout, self.describe(&Method::GET, path));
        within(timeout, async {
            let response = self.send(Method::GET, path, None).await?;
            ensure!(response.status() == 200, "answered {}", response.status());
            let (mut bytes, mut digest, mut body) = (0, Sha256::new(), response.into_body());
            while let Some(frame) = body.frame().await.transpose()? {
                let data = frame.into_data().unwrap_or_default();
                bytes += data.len() as u64;
                digest.update(&data);
                if let Some(pace) = pace {
                    pace.hold(bytes).await;
                }
            }
            Ok(Received {
                bytes,
                sha256: pattern::hex(digest),
            })
        })
        .await
        .with_context(|| what)
    }

    /// Uploads the first `len` bytes of the [`pattern`]; what the task received.
    pub async fn upload(&mut self, len: u64) -> Result<Received> {
        let reply = self.request(Method::PUT, "/upload", Some(len)).await?;
        ensure!(
            reply.status == 200,
            "{} answered {}: {}",
            self.peer,
            reply.status,
            reply.body
        );
        serde_json::from_str(&reply.body).with_context(|| format!("`{}` is no answer", reply.body))
    }

    async fn request(&mut self, method: Method, path: &str, upload: Option<u64>) -> Result<Reply> {
        let (timeout, what) = (self.timeout, self.describe(&method, path));
        within(timeout, async {
            let response = self.send(method, path, upload).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            Ok(Reply {
                status,
                body: String::from_utf8_lossy(&body).into_owned(),
            })
        })
        .await
        .with_context(|| what)
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        upload: Option<u64>,
    ) -> Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.host.as_str());
        let request = match upload {
            None => request.body(Empty::new().boxed_unsync())?,
            Some(len) => {
                let frames = pattern::chunks(len).map(|chunk| Ok(Frame::data(chunk)));
                let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
                request.header(CONTENT_LENGTH, len).body(body)?
            }
        };
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let last = response.headers().get(CONNECTION);
        self.ended = last.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        Ok(response)
    }

    fn describe(&self, method: &Method, path: &str) -> String {
        format!("{method} {path} from {} by {}", self.peer, self.local)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// `GET path` on a connection of its own.
pub async fn get(peer: SocketAddr, path: &str, timeout: Duration) -> Result<Reply> {
    Connection::open(peer, timeout).await?.get(path).await
}

/// Asks on a new connection which task answers.
pub async fn who(peer: SocketAddr, timeout: Duration) -> Result<Who> {
    Connection::open(peer, timeout).await?.who().await
}

async fn within<T>(timeout: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let timeout = slow::longer(timeout);
    tokio::time::timeout(timeout, work)
        .await
        .with_context(|| format!("no end within {timeout:?}"))?
}
