//! A request to a task, and to another one if that does not answer.

use super::attempt;
use super::outgoing::Head;
use super::page;
use super::tunnel::Upgrade;
use crate::body::{RequestBody, ResponseBody};
use crate::downstream::Client;
use crate::record::Record;
use crate::routing::Found;
use crate::upstream::{Destination, Transport};
use crate::worker::Worker;
use http::header::SET_COOKIE;
use http::{HeaderMap, Response, Version};
use hyper::body::Incoming;
use lb_router_wire::{Task, stats};
use lb_routes::answers::Problem;
use lb_routes::balance::{Candidate, Chosen, Lookup, Outcome, may_retry};
use lb_routes::heads::Origin;
use lb_routes::route::{Scheme, Tasks};
use lb_routes::rule::Host;
use std::net::SocketAddr;
use std::rc::Rc;

/// What a client asks for.
pub(super) struct Asked<'a> {
    /// The head of its request.
    pub(super) head: Head,
    /// The version in which it speaks.
    pub(super) version: Version,
    /// The body of its request.
    pub(super) body: Incoming,
    /// It asks for a WebSocket.
    pub(super) upgrade: Option<Upgrade>,
    /// Where it comes from.
    pub(super) origin: &'a Origin,
    /// The host that it is for.
    pub(super) host: &'a Host,
    /// The header fields of its request.
    pub(super) headers: &'a HeaderMap,
}

/// Brings a request to a task of the route's service, and the answer back; or says why there is none.
pub(super) async fn forward(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    found: Found<'_>,
    tasks: &Tasks,
    record: &mut Record,
    asked: Asked<'_>,
) -> Response<ResponseBody> {
    let (headers, origin) = (asked.headers, asked.origin);
    match attempts(worker, client, found, tasks, record, asked).await {
        Ok(answer) => answer,
        Err(problem) => page::problem(&problem, headers, origin),
    }
}

async fn attempts(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    found: Found<'_>,
    to: &Tasks,
    record: &mut Record,
    asked: Asked<'_>,
) -> Result<Response<ResponseBody>, Problem<'static>> {
    let Asked {
        mut head,
        version: asked_by,
        body,
        upgrade,
        origin,
        host,
        headers,
    } = asked;
    let websocket = upgrade.is_some();
    let transport = transport(to.scheme, websocket, host);
    let mut body = if websocket {
        head.ask_for_websocket(worker.random());
        RequestBody::Empty
    } else {
        RequestBody::client(body, &worker.settings.limits, client, asked_by)
    };
    if let Some(progress) = body.progress() {
        record.sends(progress);
    }
    // Nobody keeps the header fields for a second time: they are made of the client's again.
    let line = head.with(HeaderMap::new());
    let replay = body.replay();
    let again = || {
        let body = replay.again()?;
        let mut head = line.with(headers.clone());
        if websocket {
            head.ask_for_websocket(worker.random());
        }
        Some((head, body))
    };
    let service = found.service;
    let count = worker.upstream.count_request(&service.id);
    let mut tried: Vec<u64> = Vec::new();
    let mut kept = true;
    loop {
        let lookup = Lookup {
            headers,
            client: origin.client,
            tried: &tried,
            random: worker.random_u64(),
            count,
        };
        let Some((task, chosen)) = choose(worker, found, &lookup) else {
            return Err(match tried.as_slice() {
                [] => {
                    record.fails("none-ready");
                    Problem::NoneReady {
                        tasks: service.tasks.len(),
                    }
                }
                _ => {
                    record.fails_as_tried();
                    Problem::NotReached
                }
            });
        };
        let destination = Destination {
            task: task.key,
            address: SocketAddr::new(task.address, to.port),
            transport: transport.clone(),
        };
        record.tries(task.key);
        let failed = match attempt::attempt(worker, destination, kept, head, body).await {
            Ok(answered) => {
                replay.forget();
                record.tried(stats::Outcome::Ok, answered.reused(), None);
                let answer = answered.answer(worker, record, upgrade);
                let mut answer = answer.inspect_err(|_| record.fails("no-websocket"))?;
                let cookie = found.entry.balancer.set_cookie(chosen, answer.headers());
                if let Some(cookie) = cookie {
                    answer.headers_mut().append(SET_COOKIE, cookie);
                }
                return Ok(answer);
            }
            Err(failed) => failed,
        };
        let error = &failed.error;
        record.tried(error.outcome(), error.reused(), Some(error.name()));
        tracing::debug!(service = service.name, task = task.id, %error, "a task has failed");
        let failure = failed.error.failure();
        let mut budget = true;
        if failed.error.blames_task() {
            worker.upstream.ended(task.key, Outcome::Failed);
            tried.push(task.key);
            budget = worker.upstream.take_retry(&service.id);
        }
        // Another one that was kept may have ended as well.
        kept &= !failed.error.reused();
        let rest = failed.rest.or_else(again);
        let tries = u32::try_from(tried.len()).unwrap_or(u32::MAX);
        let may = failure.is_some_and(|it| may_retry(it, &line.method, rest.is_some(), tries));
        match rest {
            Some(rest) if may && budget => (head, body) = rest,
            _ => {
                record.fails_as_tried();
                return Err(failed.error.problem());
            }
        }
    }
}

/// What is spoken with tasks. A WebSocket is asked for by HTTP/1.1, whatever else they speak.
fn transport(scheme: Scheme, websocket: bool, host: &Host) -> Transport {
    match scheme {
        Scheme::H2c if !websocket => Transport::Http2,
        Scheme::H2c | Scheme::Http => Transport::Http1,
        Scheme::Https { verify } => Transport::Tls {
            name: host.as_str().into(),
            verify,
            http2: !websocket,
        },
    }
}

/// The task for a request.
pub(super) fn choose<'a>(
    worker: &Worker,
    found: Found<'a>,
    lookup: &Lookup<'_>,
) -> Option<(&'a Task, Chosen)> {
    let tasks = &found.service.tasks;
    let candidate = |task: &Task| Candidate {
        key: task.key,
        load: worker.upstream.load(task.key),
        local: task.local,
        ready: !task.leaving,
    };
    let mut candidates: Vec<Candidate> = tasks.iter().map(candidate).collect();
    worker.upstream.eject(&mut candidates);
    let chosen = found.entry.balancer.choose(&candidates, lookup)?;
    let task = tasks.iter().find(|task| task.key == chosen.key)?;
    Some((task, chosen))
}
