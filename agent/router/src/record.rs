//! What is known of an exchange, from its request to the end of its answer: then it is counted, and logged.
//!
//! It goes with the exchange: in the future that answers, in the body of the answer, in the tunnel of a WebSocket. Where
//! it is dropped the exchange is over, however that has come about.

use crate::access_log::{Asked, Ended, Line};
use crate::body::Progress;
use crate::downstream::{Client, UnderWay};
use crate::routing::{Found, Service};
use crate::stats::OfRoute;
use crate::worker::Worker;
use http::header::{HOST, REFERER, USER_AGENT};
use http::{HeaderMap, Method, StatusCode, Version};
use lb_router_wire::stats::{Counts, Outcome};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// As nginx and Traefik log it: the client has gone before there was an answer.
const CLIENT_GONE: u16 = 499;

/// An exchange that is under way. Without content where another place has it.
pub(crate) struct Record(Option<Box<Exchange>>);

struct Exchange {
    worker: Rc<Worker>,
    _under_way: UnderWay,
    began: Instant,
    /// Status of the answer, and how long it took to come.
    head: Option<(StatusCode, Duration)>,
    /// How the body of the request gets on, and that of an answer which is a tunnel.
    request: Option<Rc<Progress>>,
    tunnel: Option<Rc<Progress>>,
    bytes_out: u64,
    /// The answer has ended as it should.
    whole: bool,
    found: Option<OnRoute>,
    /// Key of the task that was tried last.
    task: Option<u64>,
    tries: u32,
    /// When the try began that has no end yet.
    tried_at: Option<Instant>,
    reused: bool,
    /// Why there is no answer of the task that was tried last.
    failed: Option<&'static str>,
    retried_because: Option<&'static str>,
    error: Option<&'static str>,
    line: Option<Line>,
}

/// The route of a request.
struct OnRoute {
    counts: Rc<OfRoute>,
    /// Its service, where a line is written. All workers share it: that it is held costs them a cache line.
    service: Option<Arc<Service>>,
}

/// The head of a request, as the log has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) id: &'a str,
    pub(crate) client: IpAddr,
    pub(crate) version: Version,
    pub(crate) method: &'a Method,
    /// `None`: as the field says it.
    pub(crate) host: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
}

impl Record {
    /// A request has come.
    pub(crate) fn begin(worker: &Rc<Worker>, client: &Rc<Client>, version: Version) -> Self {
        Self(Some(Box::new(Exchange {
            worker: worker.clone(),
            _under_way: client.request(version),
            began: Instant::now(),
            head: None,
            request: None,
            tunnel: None,
            bytes_out: 0,
            whole: false,
            found: None,
            task: None,
            tries: 0,
            tried_at: None,
            reused: false,
            failed: None,
            retried_because: None,
            error: None,
            line: None,
        })))
    }

    /// What this has, for another place; here nothing is left.
    pub(crate) fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    fn change(&mut self, change: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = &mut self.0 {
            change(exchange);
        }
    }

    /// The head of the request is known: begins the line, where lines are written.
    pub(crate) fn seen(&mut self, client: &Client, seen: &Seen<'_>) {
        self.change(|it| {
            let Some(log) = &it.worker.settings.log else {
                return;
            };
            let field = |name| seen.headers.get(name).map(http::HeaderValue::as_bytes);
            let host = seen.host.map(str::as_bytes);
            let asked = Asked {
                time: SystemTime::now(),
                id: seen.id,
                client: seen.client,
                peer: client.peer(),
                port: client.port,
                entry_point: client.entry_point_name(),
                tls: client.tls(),
                protocol: protocol(seen.version),
                method: seen.method.as_str(),
                host: host.or_else(|| field(HOST)).unwrap_or_default(),
                path: seen.path.as_bytes(),
                query: seen.query.filter(|_| log.query),
                user_agent: field(USER_AGENT),
                referer: field(REFERER),
            };
            it.line = Some(Line::begin(log.format, &asked));
        });
    }

    /// The route is known.
    pub(crate) fn found(&mut self, found: Found<'_>) {
        self.change(|it| {
            let route = &found.entry.route;
            let counts = it.worker.stats.of(&found.service.id, route);
            counts.count(|counts| counts.under_way = counts.under_way.wrapping_add(1));
            it.found = Some(OnRoute {
                counts,
                service: it.line.is_some().then(|| found.service.clone()),
            });
        });
    }

    /// A task is tried.
    pub(crate) fn tries(&mut self, task: u64) {
        self.change(|it| {
            it.tries += 1;
            it.tried_at = Some(Instant::now());
            it.task = Some(task);
            it.reused = false;
            if let Some(failed) = it.failed.take() {
                it.retried_because = Some(failed);
            }
        });
    }

    /// The try has ended: by a connection that had borne another exchange, and without an answer where there is a reason.
    pub(crate) fn tried(&mut self, outcome: Outcome, reused: bool, failed: Option<&'static str>) {
        self.change(|it| {
            it.reused = reused;
            it.failed = failed;
            let began = it.tried_at.take();
            let took = began.filter(|_| outcome == Outcome::Ok);
            let took = took.map(|began| microseconds(began.elapsed()));
            it.count(|counts| {
                counts.tried(outcome);
                if let Some(us) = took {
                    counts.answered(us);
                }
            });
        });
    }

    /// The client gets no answer of a task.
    pub(crate) fn fails(&mut self, error: &'static str) {
        self.change(|it| it.error = Some(error));
    }

    /// The task that was tried last is given up.
    pub(crate) fn fails_as_tried(&mut self) {
        self.change(|it| it.error = it.failed);
    }

    /// How the body of the request gets on.
    pub(crate) fn sends(&mut self, progress: Rc<Progress>) {
        self.change(|it| it.request = Some(progress));
    }

    /// The exchange is a tunnel from now on.
    pub(crate) fn is_tunnel(&mut self, from_client: &Rc<Progress>, from_task: &Rc<Progress>) {
        self.change(|it| {
            it.request = Some(from_client.clone());
            it.tunnel = Some(from_task.clone());
        });
    }

    /// The head of the answer is there.
    pub(crate) fn answers(&mut self, status: StatusCode) {
        self.change(|it| it.head = Some((status, it.began.elapsed())));
    }

    /// So many bytes of the answer's body were handed over.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.change(|it| it.bytes_out += bytes as u64);
    }

    /// The answer has ended, and is whole.
    pub(crate) fn is_whole(&mut self) {
        self.change(|it| it.whole = true);
    }
}

impl Exchange {
    fn count(&self, count: impl FnOnce(&mut Counts)) {
        if let Some(found) = &self.found {
            found.counts.count(count);
        }
    }

    fn log(&mut self, took: Duration, bytes: (u64, u64)) {
        let (Some(line), Some(log)) = (self.line.take(), &self.worker.settings.log) else {
            return;
        };
        let gone = match self.head {
            None => Some("client-gone"),
            Some(_) if self.whole => None,
            Some(_) => Some("client-gone-in-answer"),
        };
        let found = self.found.as_ref();
        let route = found.and_then(|it| Some((it.service.as_ref()?, it.counts.route())));
        let task = self.task.zip(route).and_then(|(key, (service, _))| {
            let mut tasks = service.tasks.iter();
            tasks.find(|task| task.key == key)
        });
        let line = line.end(&Ended {
            status: self.head.map_or(CLIENT_GONE, |(status, _)| status.as_u16()),
            bytes_in: bytes.0,
            bytes_out: bytes.1,
            took,
            head: self.head.map(|(_, after)| after),
            tries: self.tries,
            route: route.map(|(service, route)| (service.name.as_str(), route.name.as_str())),
            task: task.map(|task| (task.id.as_str(), task.node.as_str())),
            reused: self.reused,
            retried_because: self.retried_because,
            error: self.error.or(gone),
        });
        log.write(line);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let bytes = |progress: &Option<Rc<Progress>>| progress.as_ref().map_or(0, |it| it.bytes());
        let (bytes_in, bytes_out) = (bytes(&self.request), self.bytes_out + bytes(&self.tunnel));
        self.count(|counts| {
            counts.status(self.head.map(|(status, _)| status.as_u16()));
            counts.under_way = counts.under_way.wrapping_sub(1);
            counts.bytes_in += bytes_in;
            counts.bytes_out += bytes_out;
            counts.broken += u64::from(self.head.is_some() && !self.whole);
            if self.tunnel.is_none() && self.head.is_some() {
                counts.took(microseconds(took));
            }
        });
        self.log(took, (bytes_in, bytes_out));
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
