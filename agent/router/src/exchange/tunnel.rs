//! WebSockets: after the handshake, bytes in both directions (RFC 6455; over HTTP/2, RFC 8441).
//!
//! No other protocol is switched to: behind an upgrade that the router does not know, a client could send requests that
//! no rule has seen.

use super::answers::Refusal;
use super::body::ResponseBody;
use super::outgoing::Head;
use crate::downstream::{Client, UnderWay};
use crate::upstream::Load;
use crate::worker::Worker;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded, on};
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::task::spawn_local;

/// A client that asks for a WebSocket.
pub(super) struct Upgrade {
    on: OnUpgrade,
    /// By HTTP/2: the answer has status 200, and no fields of HTTP/1.1's handshake.
    over_http2: bool,
}

/// What a request asks for: a WebSocket, or nothing of the kind. The request is brought into the form of HTTP/1.1.
///
/// # Errors
/// Methods that are for proxies and not for applications.
pub(super) fn asked(request: &mut Request<Incoming>) -> Result<Option<Upgrade>, Refusal> {
    let method = request.method();
    if method == Method::CONNECT {
        let protocol = request.extensions().get::<Protocol>();
        if protocol.is_none_or(|protocol| protocol.as_str() != "websocket") {
            return Err(Refusal::Method);
        }
        *request.method_mut() = Method::GET;
        return Ok(Some(Upgrade {
            on: on(request),
            over_http2: true,
        }));
    }
    if method == Method::TRACE {
        return Err(Refusal::Method);
    }
    let wanted = method == Method::GET
        && has_token(request.headers(), &CONNECTION, "upgrade")
        && has_token(request.headers(), &UPGRADE, "websocket");
    Ok(wanted.then(|| Upgrade {
        on: on(request),
        over_http2: false,
    }))
}

fn has_token(headers: &HeaderMap, name: &http::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut tokens = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tokens.any(|it| it.trim().eq_ignore_ascii_case(token))
}

impl Head {
    /// Asks the task for a WebSocket.
    pub(super) fn ask_for_websocket(&mut self) {
        let headers = self.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        // By HTTP/2 a client sends none; any will do, as the answer to it is not handed on. The key guards against caches
        // and servers that do not know WebSockets, not against people (RFC 6455, section 10.3).
        headers
            .entry(SEC_WEBSOCKET_KEY)
            .or_insert(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="));
    }
}

/// Answers with the task's handshake, and connects both ends once it was sent.
pub(super) fn open(
    mut answer: Response<Incoming>,
    upgrade: Option<Upgrade>,
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    load: Load,
) -> Response<ResponseBody> {
    let Some(upgrade) = upgrade else {
        // Nobody asked for another protocol.
        let mut answer = Response::new(ResponseBody::page("the task switched protocols unasked\n"));
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        return answer;
    };
    let task = on(&mut answer);
    let (mut parts, _) = answer.into_parts();
    super::outgoing::remove_hop_by_hop(&mut parts.headers);
    if upgrade.over_http2 {
        parts.status = StatusCode::OK;
        parts.headers.remove(SEC_WEBSOCKET_ACCEPT);
    } else {
        let headers = &mut parts.headers;
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    parts.version = http::Version::HTTP_11;
    spawn_local(connect(
        upgrade.on,
        task,
        worker.limits.tunnel_idle,
        client.request(),
        load,
    ));
    Response::from_parts(parts, ResponseBody::page(""))
}

async fn connect(
    client: OnUpgrade,
    task: OnUpgrade,
    idle: Duration,
    _under_way: UnderWay,
    _load: Load,
) {
    let (client, task) = match tokio::try_join!(client, task) {
        Ok(ends) => ends,
        Err(error) => {
            tracing::debug!(%error, "a tunnel did not open");
            return;
        }
    };
    let moved = Rc::new(Cell::new(false));
    let mut client = Watched::new(client, &moved);
    let mut task = Watched::new(task, &moved);
    let mut copying = std::pin::pin!(copy_bidirectional(&mut client, &mut task));
    loop {
        match tokio::time::timeout(idle, copying.as_mut()).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a tunnel broke off");
                return;
            }
            Err(_) if moved.take() => {}
            Err(_) => return,
        }
    }
}

/// One end of a tunnel; notes that bytes came from it.
struct Watched {
    stream: TokioIo<Upgraded>,
    moved: Rc<Cell<bool>>,
}

impl Watched {
    fn new(stream: Upgraded, moved: &Rc<Cell<bool>>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            moved: moved.clone(),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.moved.set(true);
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
