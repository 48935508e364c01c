//! What the router tells a client that gets no answer of a task.

use crate::heads::Refusal;
use crate::rule::Host;
use http::StatusCode;

/// Why a request is not answered by a task; as text, one sentence for the client.
///
/// It names neither services nor tasks nor nodes: strangers read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem<'a> {
    /// The head is not valid or not served: 400, 405, 431 or 501.
    #[error("{0}")]
    Refused(Refusal),
    /// The head could not be read, in whatever version: 400.
    #[error("The request is not valid HTTP.")]
    Unreadable,
    /// Name and password are missing or wrong: 401.
    #[error("The request needs a name and a password.")]
    Unauthorized {
        /// What they are for.
        realm: &'a str,
    },
    /// Clients like this one are not let in: 403.
    #[error("The request is not allowed from this client's address.")]
    Forbidden,
    /// The route answers nobody, for one of its labels is not understood: 403.
    #[error("This route is closed until its labels are put right.")]
    Closed,
    /// No route has a rule for the request: 404.
    #[error("No service claims {0}, or none claims this path of it.")]
    NoRoute(&'a Host),
    /// The client was too slow with its request: 408.
    #[error("The request has not come in time.")]
    RequestTimeout,
    /// The body is longer than the route takes: 413.
    #[error("The request's body is longer than {limit} bytes.")]
    BodyTooLarge {
        /// The most that it takes, in bytes.
        limit: u64,
    },
    /// The target is longer than the router reads: 414.
    #[error("The request's target is too long.")]
    TargetTooLong,
    /// The connection is by TLS for another host, with another certificate or other rules for clients: 421.
    #[error("This connection is not for {0}: connect again.")]
    Misdirected(&'a Host),
    /// The header fields are longer than the router reads: 431.
    #[error("The request's header fields are too long.")]
    HeadTooLarge,
    /// The router itself has failed: 500.
    #[error("The router has failed to handle the request.")]
    Internal,
    /// No connection to a task was made: 502.
    #[error("No task of the service could be reached.")]
    NotReached,
    /// The task's connection ended before the head of its answer: 502.
    #[error("The task has closed the connection before it answered.")]
    ClosedBeforeAnswer,
    /// The task's answer is no HTTP, or switches to a protocol that nobody has asked for: 502.
    #[error("The task's answer is not valid.")]
    BadAnswer,
    /// There is no task for the request: 503.
    #[error("{}", none_ready(*.tasks))]
    NoneReady {
        /// The number of tasks that the service has.
        tasks: usize,
    },
    /// Too many requests are under way: 503.
    #[error("The router has too many requests to answer: ask again later.")]
    Overloaded,
    /// The head of the task's answer has not come in time: 504.
    #[error("The task has not answered in time.")]
    AnswerTimeout,
}

fn none_ready(tasks: usize) -> String {
    match tasks {
        0 => "The service has no tasks.".to_owned(),
        1 => "The service has 1 task, and it is not ready.".to_owned(),
        tasks => format!("The service has {tasks} tasks, and none of them is ready."),
    }
}

impl Problem<'_> {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::Closed => StatusCode::FORBIDDEN,
            Self::NoRoute(_) => StatusCode::NOT_FOUND,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotReached | Self::ClosedBeforeAnswer | Self::BadAnswer => {
                StatusCode::BAD_GATEWAY
            }
            Self::NoneReady { .. } | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::AnswerTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}
