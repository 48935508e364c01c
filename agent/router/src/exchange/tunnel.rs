//! WebSockets: after the handshake, bytes in both directions (RFC 6455; over HTTP/2, RFC 8441).
//!
//! No other protocol is switched to: behind an upgrade that the router does not know, a client could send requests that
//! no rule has seen.

use super::copy::{Watched, copy};
use crate::body::{Progress, ResponseBody};
use crate::downstream::{Client, Duplex};
use crate::record::Record;
use crate::upstream::Load;
use crate::worker::Worker;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use lb_routes::answers::Problem;
use lb_routes::heads;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;

/// A client that asks for a WebSocket.
pub(super) struct Upgrade {
    client: Rc<Client>,
    on: OnUpgrade,
    /// By HTTP/2: the answer has status 200, and no fields of HTTP/1.1's handshake.
    over_http2: bool,
}

impl Upgrade {
    /// Of a request that asks for a WebSocket.
    pub(super) fn asked(client: &Rc<Client>, request: &mut Request<Incoming>) -> Self {
        Self {
            client: client.clone(),
            over_http2: request.version() == Version::HTTP_2,
            on: on(request),
        }
    }

    /// The client's end, once the answer was sent.
    async fn opened(self) -> hyper::Result<Box<dyn Duplex>> {
        match self.on.await {
            Ok(stream) => Ok(Box::new(TokioIo::new(stream))),
            // A connection of HTTP/1.1 is not given away by hyper, which then says that it is not there.
            Err(error) => self.client.take_upgraded().ok_or(error),
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
        upgrade.client.accept_upgrade();
    }
    // The tunnel ends after its answer.
    let mut record = record.take();
    record.answers(parts.status);
    spawn_local(connect(
        upgrade,
        task,
        worker.settings.limits.tunnel_idle,
        record,
        load,
    ));
    Ok(Response::from_parts(parts, ResponseBody::page("")))
}

async fn connect(
    client: Upgrade,
    task: OnUpgrade,
    idle: Duration,
    mut record: Record,
    _load: Load,
) {
    let (from_client, from_task) = (Rc::<Progress>::default(), Rc::<Progress>::default());
    record.is_tunnel(&from_client, &from_task);
    // A connection of HTTP/2 ends its streams itself.
    let owner = (!client.over_http2).then(|| client.client.clone());
    let told_to_end = async {
        match owner {
            Some(owner) => owner.told_to_end().await,
            None => pending().await,
        }
    };
    match tokio::try_join!(client.opened(), task) {
        Ok((client, task)) => {
            let client = Watched::new(client, &from_client);
            let task = Watched::new(TokioIo::new(task), &from_task);
            tokio::select! {
                biased;
                copied = copy(client, task, idle) => match copied {
                    Ok(()) => record.is_whole(),
                    Err(error) => record.fails(error.name()),
                },
                () = told_to_end => record.fails("tunnel-ended"),
            }
        }
        Err(error) => {
            record.fails("tunnel-not-open");
            tracing::debug!(%error, "a tunnel did not open");
        }
    }
}
