//! A request to a task, and to another one if that does not answer.

use super::answers::Refusal;
use super::body::{Idle, RequestBody, ResponseBody};
use super::outgoing::Head;
use super::tunnel;
use crate::downstream::Client;
use crate::routing::Service;
use crate::upstream::{Destination, Protocol};
use crate::worker::Worker;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use lb_router_wire::Task;
use lb_routes::path::NormalPath;
use lb_routes::route::{Scheme, Tasks};
use std::net::SocketAddr;
use std::rc::Rc;

/// Tasks that are tried for one request.
const TRIES: usize = 3;

/// What a client asks for.
pub(super) struct Asked<'a> {
    /// Its request.
    pub(super) request: Request<Incoming>,
    /// It asks for a WebSocket.
    pub(super) upgrade: Option<tunnel::Upgrade>,
    /// The path, in the form that rules have seen.
    pub(super) path: &'a NormalPath,
}

/// Brings a request to a task of the service, and the answer back.
pub(super) async fn forward(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    asked: Asked<'_>,
    to: &Tasks,
    service: &Service,
) -> Result<Response<ResponseBody>, Refusal> {
    let Asked {
        request,
        upgrade,
        path,
    } = asked;
    let (parts, incoming) = request.into_parts();
    let mut head = Head::of(parts, client, path, to.scheme)?;
    if upgrade.is_some() {
        head.ask_for_websocket();
    }
    let limits = &worker.limits;
    let mut body = if incoming.is_end_stream() {
        RequestBody::Empty
    } else {
        RequestBody::Client {
            incoming,
            idle: Idle::new(limits.body_idle),
            trailers: false,
        }
    };
    let mut tried: Vec<u64> = Vec::new();
    loop {
        let Some(task) = choose(worker, service, &tried) else {
            return Err(if tried.is_empty() {
                Refusal::NoTask {
                    service: service.name.clone(),
                    tasks: service.tasks.len(),
                }
            } else {
                Refusal::NoAnswer(service.name.clone())
            });
        };
        let load = worker.upstream.begin(task.key);
        let mut lease = match worker
            .upstream
            .lease(destination(task, to, upgrade.is_some()))
            .await
        {
            Ok(lease) => lease,
            Err(error) => {
                tracing::debug!(service = service.name, task = task.id, %error, "a task is not reached");
                tried.push(task.key);
                continue;
            }
        };
        let whole = matches!(body, RequestBody::Empty);
        let again = (whole && head.is_idempotent() && lease.reused()).then(|| head.clone());
        let sent = tokio::time::timeout(limits.response_head, lease.send(head.with(body))).await;
        let error = match sent {
            Ok(Ok(answer)) => {
                return Ok(answered(answer, upgrade, worker, client, lease, load));
            }
            Ok(Err(error)) => error,
            Err(_) => return Err(Refusal::Timeout(service.name.clone())),
        };
        tracing::debug!(service = service.name, task = task.id, error = %error.source, "no answer of a task");
        // A connection that was kept may have been closed by its task at that moment: the task is as good as before.
        if !lease.reused() {
            tried.push(task.key);
        }
        (head, body) = match (error.unsent, again) {
            (Some(unsent), _) => Head::from_unsent(unsent),
            (None, Some(again)) => (again, RequestBody::Empty),
            (None, None) => return Err(Refusal::NoAnswer(service.name.clone())),
        };
    }
}

/// The answer of a task.
fn answered(
    answer: Response<Incoming>,
    upgrade: Option<tunnel::Upgrade>,
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    lease: crate::upstream::Lease,
    load: crate::upstream::Load,
) -> Response<ResponseBody> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return tunnel::open(answer, upgrade, worker, client, load);
    }
    let (mut parts, incoming) = answer.into_parts();
    super::outgoing::remove_hop_by_hop(&mut parts.headers);
    let body = ResponseBody::task(incoming, worker.limits.body_idle, lease, load);
    Response::from_parts(parts, body)
}

/// The task that has the fewest exchanges under way of those that were not tried.
fn choose<'a>(worker: &Worker, service: &'a Service, tried: &[u64]) -> Option<&'a Task> {
    if tried.len() >= TRIES {
        return None;
    }
    let open = service.tasks.iter();
    let open = open.filter(|task| !task.leaving && !tried.contains(&task.key));
    open.min_by_key(|task| worker.upstream.load(task.key))
}

/// A WebSocket is asked for by HTTP/1.1, whatever else the task speaks.
fn destination(task: &Task, to: &Tasks, upgrade: bool) -> Destination {
    Destination {
        task: task.key,
        address: SocketAddr::new(task.address, to.port),
        protocol: match to.scheme {
            Scheme::H2c if !upgrade => Protocol::Http2,
            Scheme::H2c | Scheme::Http | Scheme::Https { .. } => Protocol::Http1,
        },
    }
}
