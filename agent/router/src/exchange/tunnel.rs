//! WebSockets: after the handshake, bytes in both directions (RFC 6455; over HTTP/2, RFC 8441).
//!
//! No other protocol is switched to: behind an upgrade that the router does not know, a client could send requests that
//! no rule has seen.

use super::body::{Progress, ResponseBody};
use super::record::Record;
use crate::upstream::Load;
use crate::worker::Worker;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded, on};
use hyper_util::rt::TokioIo;
use lb_routes::answers::Problem;
use lb_routes::heads;
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

impl Upgrade {
    /// Of a request that asks for a WebSocket.
    pub(super) fn asked(request: &mut Request<Incoming>) -> Self {
        Self {
            over_http2: request.version() == Version::HTTP_2,
            on: on(request),
        }
    }
}

/// Answers with the task's handshake, and connects both ends once it was sent.
///
/// # Errors
/// The task switches to another protocol.
pub(super) fn open(
    mut answer: Response<Incoming>,
    upgrade: Upgrade,
    worker: &Rc<Worker>,
    record: &mut Record,
    load: Load,
) -> Result<Response<ResponseBody>, Problem<'static>> {
    if !heads::answers_websocket(answer.status(), answer.headers()) {
        return Err(Problem::BadAnswer);
    }
    let task = on(&mut answer);
    let (mut parts, _) = answer.into_parts();
    heads::prepare_response(&mut parts.headers);
    if upgrade.over_http2 {
        parts.status = StatusCode::OK;
        parts.headers.remove(SEC_WEBSOCKET_ACCEPT);
        parts.version = Version::HTTP_2;
    } else {
        let headers = &mut parts.headers;
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    // The tunnel ends after its answer.
    let mut record = record.take();
    record.answers(parts.status);
    spawn_local(connect(
        upgrade.on,
        task,
        worker.settings.limits.tunnel_idle,
        record,
        load,
    ));
    Ok(Response::from_parts(parts, ResponseBody::page("")))
}

async fn connect(
    client: OnUpgrade,
    task: OnUpgrade,
    idle: Duration,
    mut record: Record,
    _load: Load,
) {
    let (from_client, from_task) = (Rc::<Progress>::default(), Rc::<Progress>::default());
    record.is_tunnel(&from_client, &from_task);
    let (client, task) = match tokio::try_join!(client, task) {
        Ok(ends) => ends,
        Err(error) => {
            record.fails("tunnel-not-open");
            tracing::debug!(%error, "a tunnel did not open");
            return;
        }
    };
    let mut client = Watched::new(client, &from_client);
    let mut task = Watched::new(task, &from_task);
    let mut copying = std::pin::pin!(copy_bidirectional(&mut client, &mut task));
    loop {
        match tokio::time::timeout(idle, copying.as_mut()).await {
            Ok(Ok(_)) => {
                record.is_whole();
                return;
            }
            Ok(Err(error)) => {
                record.fails("tunnel-broken");
                tracing::debug!(%error, "a tunnel broke off");
                return;
            }
            Err(_) if from_client.moved() | from_task.moved() => {}
            Err(_) => {
                record.fails("tunnel-idle");
                return;
            }
        }
    }
}

/// One end of a tunnel; counts the bytes that come from it.
struct Watched {
    stream: TokioIo<Upgraded>,
    progress: Rc<Progress>,
}

impl Watched {
    fn new(stream: Upgraded, progress: &Rc<Progress>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            progress: progress.clone(),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.progress.came(buffer.filled().len() - before);
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
