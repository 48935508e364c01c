//! One attempt to get an answer of one task.

use super::outgoing::Head;
use super::tunnel::{self, Upgrade};
use crate::body::{Progress, RequestBody, ResponseBody};
use crate::record::Record;
use crate::upstream::{ConnectError, Delivery, Destination, Lease, Load};
use crate::worker::Worker;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use lb_router_wire::stats;
use lb_routes::answers::Problem;
use lb_routes::balance::{Failure, Outcome};
use lb_routes::heads;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

/// An answer of a task, whose body is still to come.
pub(super) struct Answered {
    answer: Response<Incoming>,
    lease: Lease,
    load: Load,
    progress: Rc<Progress>,
}

/// An attempt without an answer.
pub(super) struct Failed {
    /// What went wrong.
    pub(super) error: AttemptError,
    /// The request, if nothing of it was sent.
    pub(super) rest: Option<(Head, RequestBody)>,
}

/// Why a task gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The request cannot be put into the task's protocol.
    #[error("the request has no form that the task reads")]
    Request,
    /// The connection ended, or was of no use.
    #[error("the connection ended before an answer: {source}")]
    Closed {
        /// What hyper says.
        source: hyper::Error,
        /// It had borne another exchange before.
        reused: bool,
        /// Whether the task can have read the request.
        delivery: Delivery,
    },
    /// The client's body broke off.
    #[error("the request broke off: {0}")]
    Body(Problem<'static>),
    /// The answer did not come in time.
    #[error("no answer came in time")]
    Timeout,
}

impl AttemptError {
    /// Does it say something of the task? A connection that was kept may just have been closed for its age, and the host is the
    /// client's choice.
    pub(super) fn blames_task(&self) -> bool {
        match self {
            Self::Connect(error) => !error.is_of_name(),
            Self::Closed { reused: false, .. } => true,
            Self::Closed { reused: true, .. } | Self::Request | Self::Body(_) | Self::Timeout => {
                false
            }
        }
    }

    /// As the rules of sending again know it; `None`: another task would do no better.
    pub(super) fn failure(&self) -> Option<Failure> {
        match self {
            Self::Connect(error) if error.is_of_name() => None,
            Self::Connect(_) => Some(Failure::ConnectFailed),
            Self::Closed { source, .. } if source.is_parse() => None,
            Self::Closed {
                delivery: Delivery::Refused,
                ..
            } => Some(Failure::Refused),
            Self::Closed { delivery, .. } => Some(Failure::ClosedBeforeAnswer {
                undelivered: *delivery != Delivery::Unknown,
            }),
            Self::Timeout => Some(Failure::Timeout),
            Self::Request | Self::Body(_) => None,
        }
    }

    /// As statistics know it.
    pub(super) fn outcome(&self) -> stats::Outcome {
        match self {
            Self::Connect(ConnectError::Timeout(_)) | Self::Timeout => stats::Outcome::Timeout,
            Self::Connect(_) => stats::Outcome::Refused,
            Self::Closed {
                delivery: Delivery::Unknown,
                ..
            } => stats::Outcome::Reset,
            Self::Closed { .. } | Self::Request | Self::Body(_) => stats::Outcome::Undelivered,
        }
    }

    /// In a word, as the log has it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Connect(ConnectError::Timeout(_)) => "connect-timeout",
            Self::Connect(ConnectError::Tls { .. } | ConnectError::Name(_)) => "no-tls",
            Self::Connect(_) => "not-connected",
            Self::Request => "unreadable",
            Self::Closed { source, reused, .. } if !reused && source.is_parse() => "no-http",
            Self::Closed {
                delivery: Delivery::Undelivered,
                ..
            } => "undelivered",
            Self::Closed {
                delivery: Delivery::Refused,
                ..
            } => "refused",
            Self::Closed { reused: true, .. } => "kept-connection-closed",
            Self::Closed { .. } => "closed-before-answer",
            Self::Body(Problem::RequestTimeout) => "request-idle",
            Self::Body(_) => "request-broken",
            Self::Timeout => "answer-timeout",
        }
    }

    /// Had the connection borne another exchange? Then another connection may do.
    pub(super) fn reused(&self) -> bool {
        matches!(self, Self::Closed { reused: true, .. })
    }

    /// As the client is told.
    pub(super) fn problem(&self) -> Problem<'static> {
        match self {
            Self::Connect(_) => Problem::NotReached,
            Self::Request => Problem::Unreadable,
            Self::Body(problem) => *problem,
            Self::Closed { source, .. } if source.is_parse() => Problem::BadAnswer,
            Self::Closed { .. } => Problem::ClosedBeforeAnswer,
            Self::Timeout => Problem::AnswerTimeout,
        }
    }
}

/// Sends a request to a task, by a connection that was kept only if `kept` says so; the head of its answer.
pub(super) async fn attempt(
    worker: &Rc<Worker>,
    to: Destination,
    kept: bool,
    head: Head,
    mut body: RequestBody,
) -> Result<Answered, Box<Failed>> {
    let failed = |error, rest| Err(Box::new(Failed { error, rest }));
    let load = worker.upstream.begin(to.task);
    let (task, address) = (to.task, to.address);
    let scheme = to.scheme();
    let mut lease = match worker.upstream.lease(to, &worker.tls, kept).await {
        Ok(lease) => lease,
        Err(error) => return failed(error.into(), Some((head, body))),
    };
    let reused = lease.reused();
    let pass_host = head.pass_host;
    let version = lease.version();
    body.forward_trailers(heads::forwards_request_trailers(version, &head.headers));
    let progress = body.progress().unwrap_or_default();
    let Some(request) = head.to(address, version, scheme, body) else {
        return failed(AttemptError::Request, None);
    };
    let limit = worker.settings.limits.response_head;
    let sent = unless_late(limit, &progress, lease.send(request)).await;
    if let (Some(Err(_)), Some(problem)) = (&sent, progress.fault()) {
        return failed(AttemptError::Body(problem), None);
    }
    match sent {
        Some(Ok(answer)) => {
            worker.upstream.ended(task, Outcome::Answered);
            Ok(Answered {
                answer,
                lease,
                load,
                progress,
            })
        }
        Some(Err(error)) => {
            let delivery = error.delivery;
            let rest = error
                .unsent
                .map(|request| Head::from_unsent(request, pass_host));
            let source = error.source;
            let error = AttemptError::Closed {
                source,
                reused,
                delivery,
            };
            failed(error, rest)
        }
        None => {
            lease.retire();
            failed(AttemptError::Timeout, None)
        }
    }
}

/// Waits for the head of an answer, which may take `limit` from the last moment on at which the request still came.
async fn unless_late<T>(
    limit: Duration,
    progress: &Progress,
    sending: impl Future<Output = T>,
) -> Option<T> {
    let mut sending = std::pin::pin!(sending);
    let mut frames = progress.frames();
    loop {
        match tokio::time::timeout(limit, sending.as_mut()).await {
            Ok(sent) => return Some(sent),
            Err(_) if frames != progress.frames() => frames = progress.frames(),
            Err(_) => return None,
        }
    }
}

impl Answered {
    /// Had the connection borne another exchange?
    pub(super) fn reused(&self) -> bool {
        self.lease.reused()
    }

    /// The answer for the client.
    pub(super) fn answer(
        self,
        worker: &Rc<Worker>,
        record: &mut Record,
        upgrade: Option<Upgrade>,
    ) -> Result<Response<ResponseBody>, Problem<'static>> {
        let Self {
            answer,
            lease,
            load,
            progress,
        } = self;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgrade = upgrade.ok_or(Problem::BadAnswer)?;
            return tunnel::open(answer, upgrade, worker, record, load);
        }
        let (mut parts, incoming) = answer.into_parts();
        // Who was let in by this connection is let in by it again (RFC 4559): nobody else may use it.
        let lease = (!heads::binds_connection(&parts.headers)).then_some(lease);
        heads::prepare_response(&mut parts.headers);
        let idle = worker.settings.limits.body_idle;
        let body = ResponseBody::task(incoming, idle, progress, lease, load);
        Ok(Response::from_parts(parts, body))
    }
}
