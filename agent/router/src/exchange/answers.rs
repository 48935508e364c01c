//! What the router answers itself.

use super::ResponseBody;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode, Uri};
use lb_routes::path::PathError;
use lb_routes::rule::Host;

/// Why a request is not brought to a task.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is not exactly one host, or it is no name.
    #[error("the request has to name one host")]
    Host,
    /// The path has no form that everybody agrees on.
    #[error("the path is not accepted: {0}")]
    Path(PathError),
    /// The connection is another host's.
    #[error("{0} is not served on this connection: its certificate is for another name")]
    Misdirected(Host),
    /// The method is not for applications.
    #[error("this method is not served")]
    Method,
    /// No service claims the host, or this path of it.
    #[error("no service answers for {0} and this path")]
    NoRoute(Host),
    /// The service has no task that takes requests.
    #[error("service {service} has no task that is ready, of {tasks}")]
    NoTask {
        /// Name of the service.
        service: String,
        /// Its tasks.
        tasks: usize,
    },
    /// No task could be reached, or its answer broke off before it began.
    #[error("no task of service {0} answered")]
    NoAnswer(String),
    /// A task was silent for too long.
    #[error("the task of service {0} did not answer in time")]
    Timeout(String),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Host | Self::Path(_) => StatusCode::BAD_REQUEST,
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoRoute(_) => StatusCode::NOT_FOUND,
            Self::NoTask { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoAnswer(_) => StatusCode::BAD_GATEWAY,
            Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The answer that says so.
    pub(super) fn answer(&self) -> Response<ResponseBody> {
        let mut answer = Response::new(ResponseBody::page(format!("{self}\n")));
        *answer.status_mut() = self.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        answer.headers_mut().insert(CONTENT_TYPE, text);
        if matches!(self, Self::Method) {
            let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            answer.headers_mut().insert(ALLOW, methods);
        }
        answer
    }
}

/// To another URL, with the path and query of this one.
pub(super) fn elsewhere(url: &str, asked: &Uri) -> Response<ResponseBody> {
    let rest = asked.path_and_query().map_or("/", |it| it.as_str());
    let location = format!("{}{rest}", url.trim_end_matches('/'));
    let mut answer = Response::new(ResponseBody::page(String::new()));
    *answer.status_mut() = StatusCode::FOUND;
    if let Ok(location) = HeaderValue::from_str(&location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}
