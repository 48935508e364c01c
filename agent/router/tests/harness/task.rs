//! A task: an HTTP server on an address of the loopback network that answers with what it got.

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// The port on which all tasks listen, each at an address of its own.
pub(crate) const PORT: u16 = 18_080;

/// A running server.
pub(crate) struct Task {
    /// Its key.
    pub(crate) key: u64,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// It is being stopped, as the agent says.
    pub(crate) leaving: bool,
    /// Connections that it has accepted.
    pub(crate) connections: Arc<AtomicUsize>,
    /// Those of them that are open.
    pub(crate) open: Arc<AtomicUsize>,
    _runtime: Option<Runtime>,
}

/// Addresses that no other task of this process has: in 127.64.0.0/10, by process and number.
fn address() -> (u64, SocketAddr) {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [.., high, low] = u32::try_from(number).unwrap().to_be_bytes();
    let network = 64 + u8::try_from(std::process::id() % 64).unwrap();
    let address = Ipv4Addr::new(127, network, high, low);
    (number as u64, SocketAddr::from((address, PORT)))
}

impl Task {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::with(|key, stream| async move { serve(key, stream).await })
    }

    /// Starts one that speaks TLS.
    pub(crate) fn start_tls(tls: TlsAcceptor) -> Self {
        Self::with(move |key, stream| {
            let tls = tls.clone();
            async move {
                // Who does not believe its certificate goes away.
                if let Ok(stream) = tls.accept(stream).await {
                    serve(key, stream).await;
                }
            }
        })
    }

    /// Starts one that does this with its key and each connection.
    pub(crate) fn with<F>(serve: impl Fn(u64, TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (key, address) = address();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let open = Arc::new(AtomicUsize::new(0));
        let (accepted, still_open) = (connections.clone(), open.clone());
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::Relaxed);
                still_open.fetch_add(1, Ordering::Relaxed);
                let (served, still_open) = (serve(key, stream), still_open.clone());
                tokio::spawn(async move {
                    served.await;
                    still_open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self {
            key,
            address,
            leaving: false,
            connections,
            open,
            _runtime: Some(runtime),
        }
    }

    /// One at whose address nobody listens.
    pub(crate) fn absent() -> Self {
        let (key, address) = address();
        Self {
            key,
            address,
            leaving: false,
            connections: Arc::default(),
            open: Arc::default(),
            _runtime: None,
        }
    }

    /// The task as it is while it is being stopped.
    pub(crate) fn leaving(mut self) -> Self {
        self.leaving = true;
        self
    }
}

/// Serves a connection, by HTTP/1.1 or HTTP/2.
async fn serve<S>(key: u64, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(key, request));
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

/// What it got, line by line: task, request line, fields, an empty line, the body.
async fn answer(key: u64, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.headers().contains_key("upgrade") {
        return Ok(echo(request));
    }
    let (parts, body) = request.into_parts();
    let status = parts
        .uri
        .query()
        .and_then(|query| query.strip_prefix("status="));
    let status: u16 = status.map_or(200, |status| status.parse().unwrap());
    let mut text = format!(
        "task {key}\n{} {} {:?}\n",
        parts.method, parts.uri, parts.version
    );
    for (name, value) in &parts.headers {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    text += "\n";
    text += &String::from_utf8_lossy(&body);
    let mut answer = Response::builder().status(status);
    let query = parts.uri.query().unwrap_or_default();
    if let Some(cookie) = query.strip_prefix("set-cookie=") {
        answer = answer.header("set-cookie", cookie);
    }
    let answer = answer
        .header("x-task", key)
        .header("connection", "x-hop")
        .header("x-hop", "for the router alone");
    Ok(answer.body(Full::new(text.into())).unwrap())
}

/// Switches protocols, and sends back what comes.
fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let key = request.headers().get("sec-websocket-key").cloned();
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    let answer = Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", key.unwrap());
    answer.body(Full::default()).unwrap()
}
