//! The filter chain of one request.

use super::basic_auth::{self, Credentials};
use super::{change, cors, response};
use crate::answers::{Answer, Problem, to_scheme};
use crate::heads::trusts;
use crate::path::NormalPath;
use crate::route::{BasicAuth, Filter};
use crate::rule::Host;
use http::header::ORIGIN;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::net::IpAddr;

const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The filters of a route with one request: what of them is done, and what the request has become.
#[derive(Debug)]
pub struct Chain<'r> {
    filters: &'r [Filter],
    /// The number of filters that are done.
    done: usize,
    path: NormalPath,
    /// The client came by TLS.
    https: bool,
    /// `Origin` of the request, where a filter will look at it.
    origin: Option<HeaderValue>,
}

/// The request, as [`prepare_request`](crate::heads::prepare_request) has left it.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host that it is for.
    pub host: &'a Host,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// The header fields, which filters change.
    pub headers: &'a mut HeaderMap,
    /// The client's address.
    pub client: IpAddr,
    /// The request's id.
    pub request_id: &'a str,
}

/// What comes next.
#[derive(Debug)]
pub enum Step<'r> {
    /// The request goes to the route's target.
    Continue,
    /// The router answers.
    Answer(Answer),
    /// A password has to be compared, which takes time by intent: it is to be done where it keeps no other request waiting.
    /// [`Chain::password_checked`] goes on.
    NeedsPassword(Credentials<'r>),
}

impl<'r> Chain<'r> {
    /// The filters of a route, for a request of this path. `https`: its client came by TLS, as `X-Forwarded-Proto` says it.
    #[must_use]
    pub fn new(filters: &'r [Filter], path: NormalPath, https: bool, headers: &HeaderMap) -> Self {
        let looks = filters.iter().any(|it| matches!(it, Filter::Cors(_)));
        Self {
            filters,
            done: 0,
            path,
            https,
            origin: headers.get(ORIGIN).filter(|_| looks).cloned(),
        }
    }

    /// Does what the filters say, up to the next step.
    pub fn run(&mut self, request: &mut Request<'_>) -> Step<'r> {
        let filters = self.filters;
        while let Some(filter) = filters.get(self.done) {
            if let Some(step) = self.step(filter, request) {
                return self.left(step);
            }
            self.done += 1;
        }
        Step::Continue
    }

    /// Goes on after [`Step::NeedsPassword`]: was it the right one?
    pub fn password_checked(&mut self, good: bool, request: &mut Request<'_>) -> Step<'r> {
        if let Some(Filter::BasicAuth(auth)) = self.filters.get(self.done) {
            if !good {
                let step = Step::Answer(unauthorized(auth, request));
                return self.left(step);
            }
            basic_auth::admit(auth, request.headers);
            self.done += 1;
        }
        self.run(request)
    }

    /// The path that the task gets: in normal form, as rules have seen it, without what filters have taken off.
    #[must_use]
    pub fn path(&self) -> &NormalPath {
        &self.path
    }

    /// The target that the task gets, where `uri` is that of the request: its query, and the path of this chain. `*` stays.
    /// `None` if that is no target, which is to become 400.
    #[must_use]
    pub fn target(&self, uri: &Uri) -> Option<PathAndQuery> {
        let asterisk = uri.path() == "*" && self.path == NormalPath::root();
        if let Some(target) = uri.path_and_query()
            && (asterisk || target.path() == self.path.as_str() && target.as_str().starts_with('/'))
        {
            // Without a copy, where nothing changes. A URL without a path (`http://a?q`) has no slash here.
            return Some(target.clone());
        }
        match uri.query() {
            Some(query) => PathAndQuery::try_from(format!("{}?{query}", self.path)).ok(),
            None => PathAndQuery::try_from(self.path.as_str()).ok(),
        }
    }

    /// The filter that has given the answer, or that asks for a password; `None` after [`Step::Continue`].
    #[must_use]
    pub fn stopped_at(&self) -> Option<&'r Filter> {
        self.filters.get(self.done)
    }

    /// Changes the header fields of an answer that is the task's, or the router's in its stead.
    pub fn respond(&self, headers: &mut HeaderMap) {
        response::respond(self.filters, self.https, self.origin.as_ref(), headers);
    }

    /// An answer passes the filters before the one that gives it.
    fn left(&self, mut step: Step<'r>) -> Step<'r> {
        if let Step::Answer(answer) = &mut step {
            let before = self.filters.get(..self.done).unwrap_or_default();
            response::respond(
                before,
                self.https,
                self.origin.as_ref(),
                &mut answer.headers,
            );
        }
        step
    }

    /// What one filter does; `None`: the request goes on.
    fn step(&mut self, filter: &'r Filter, request: &mut Request<'_>) -> Option<Step<'r>> {
        let refused = |problem: Problem<'_>, request: &Request<'_>| {
            Step::Answer(Answer::problem(
                &problem,
                request.headers,
                request.request_id,
            ))
        };
        match filter {
            Filter::Closed(_) => Some(refused(Problem::Closed, request)),
            Filter::AllowClients(networks) => {
                (!trusts(networks, request.client)).then(|| refused(Problem::Forbidden, request))
            }
            Filter::Redirect(redirect) => {
                let (method, host) = (request.method, request.host);
                to_scheme(
                    redirect,
                    self.https,
                    method,
                    host,
                    &self.path,
                    request.query,
                )
                .map(Step::Answer)
            }
            Filter::BasicAuth(auth) => Some(match Credentials::of(auth, request.headers) {
                Some(credentials) => Step::NeedsPassword(credentials),
                None => Step::Answer(unauthorized(auth, request)),
            }),
            Filter::StripPrefix(prefixes) => {
                self.strip(prefixes, request.headers);
                None
            }
            Filter::Request(change) => {
                change::apply(change, request.headers);
                None
            }
            Filter::Cors(cors) => {
                cors::preflight(cors, request.method, request.headers).map(Step::Answer)
            }
            Filter::Response(_) | Filter::Hsts(_) => None,
        }
    }

    /// Takes off the first prefix that the path has, and tells the task in `X-Forwarded-Prefix`.
    fn strip(&mut self, prefixes: &[NormalPath], headers: &mut HeaderMap) {
        let stripped = prefixes
            .iter()
            .find_map(|prefix| Some((prefix, self.path.without(prefix)?)));
        let Some((prefix, path)) = stripped else {
            return;
        };
        self.path = path;
        if let Ok(prefix) = HeaderValue::from_str(prefix.as_str()) {
            headers.append(X_FORWARDED_PREFIX, prefix);
        }
    }
}

fn unauthorized(auth: &BasicAuth, request: &Request<'_>) -> Answer {
    let problem = Problem::Unauthorized { realm: &auth.realm };
    Answer::problem(&problem, request.headers, request.request_id)
}
