//! One request and its answer: checks its head, finds the route, lets it pass the filters, brings it to a task and the
//! answer back.
//!
//! What is decided is decided by `lb-routes`; here is what takes time: bodies, connections, passwords.

mod attempt;
mod copy;
mod forward;
mod outgoing;
mod page;
mod passthrough;
mod tunnel;

pub(crate) use passthrough::pass;

use crate::body::ResponseBody;
use crate::downstream::Client;
use crate::routing::Found;
use crate::worker::Worker;
use forward::Asked;
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use lb_routes::answers::{self, Answer, Problem};
use lb_routes::filters::{self, Chain, Step};
use lb_routes::heads::{Checked, Head, Origin, check, prepare_request};
use lb_routes::route::Target;
use lb_routes::rule::{self, Host};
use std::rc::Rc;
use tunnel::Upgrade;

/// Answers a request, whatever happens.
pub(crate) async fn answer(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let version = request.version();
    let under_way = client.request(version);
    let mut answer = checked(&worker, &client, request).await;
    let tunnel = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    if client.is_draining() && version < Version::HTTP_2 && !tunnel {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
    answer.body_mut().hold(under_way);
    answer
}

/// Answers at once what is no request, and what is not for this connection.
async fn checked(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    mut request: Request<Incoming>,
) -> Response<ResponseBody> {
    let random = worker.random();
    let protocol = request.extensions().get::<Protocol>();
    let head = Head {
        method: request.method(),
        uri: request.uri(),
        version: request.version(),
        headers: request.headers(),
        protocol: protocol.map(Protocol::as_str),
    };
    let checked = match check(head) {
        Ok(checked) => checked,
        Err(refusal) => return page::refused(refusal, &request, random),
    };
    let upgrade = checked.websocket.then(|| Upgrade::asked(&mut request));
    let (mut parts, body) = request.into_parts();
    let downstream = client.downstream();
    let policy = &worker.settings.forwarded;
    let origin = prepare_request(&mut parts.headers, &checked, &downstream, policy, random);
    let routing = worker.routing();
    let seen = rule::Request {
        host: &checked.host,
        path: &checked.path,
        query: parts.uri.query().unwrap_or_default(),
        method: &parts.method,
        headers: &parts.headers,
        client: origin.client,
    };
    let problem = if is_for(worker, client, &checked.host) {
        match routing.find(client.entry_point, &seen) {
            Some(found) => {
                let request = Routed {
                    checked,
                    origin,
                    parts,
                    body,
                    upgrade,
                };
                return routed(worker, client, found, request).await;
            }
            None => Problem::NoRoute(&checked.host),
        }
    } else {
        Problem::Misdirected(&checked.host)
    };
    page::problem(&problem, &parts.headers, &origin)
}

/// A request whose route is known.
struct Routed {
    checked: Checked,
    origin: Origin,
    parts: Parts,
    body: Incoming,
    upgrade: Option<Upgrade>,
}

/// Lets a request pass the filters of its route, and brings it to the target.
async fn routed(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    found: Found<'_>,
    request: Routed,
) -> Response<ResponseBody> {
    let Routed {
        checked,
        origin,
        mut parts,
        body,
        upgrade,
    } = request;
    let route = &found.entry.route;
    let path = checked.path.clone();
    let mut chain = Chain::new(&route.filters, path, origin.https, &parts.headers);
    let mut seen = filters::Request {
        method: &parts.method,
        host: &checked.host,
        query: parts.uri.query(),
        headers: &mut parts.headers,
        client: origin.client,
        request_id: origin.request_id.to_str().unwrap_or_default(),
    };
    let mut step = chain.run(&mut seen);
    loop {
        step = match step {
            Step::Continue => break,
            Step::Answer(answer) => return page::answer(answer),
            Step::NeedsPassword(credentials) => {
                let good = Box::pin(worker.passwords.check(&credentials)).await;
                chain.password_checked(good, &mut seen)
            }
        };
    }
    let answer = match &route.target {
        Target::Elsewhere(base) => answers::elsewhere(base, &checked.path, parts.uri.query()),
        Target::Tasks(tasks) => {
            let head = outgoing::Head::of(&parts, &chain, tasks.pass_host);
            match head {
                Some(head) => {
                    let asked = Asked {
                        head,
                        version: parts.version,
                        body,
                        upgrade,
                        origin: &origin,
                        host: &checked.host,
                        headers: &parts.headers,
                    };
                    let mut answer = forward::forward(worker, client, found, tasks, asked).await;
                    chain.respond(answer.headers_mut());
                    return answer;
                }
                None => None,
            }
        }
    };
    answer.map_or_else(
        || page::problem(&Problem::Internal, &parts.headers, &origin),
        |answer: Answer| page::answer(answer),
    )
}

/// Is the host served with the certificate of the connection? A client that was let in under one name, where names differ
/// in who is let in, does not reach another one (RFC 9110, section 15.5.20).
fn is_for(worker: &Worker, client: &Client, host: &Host) -> bool {
    let Some(name) = client.tls_name.get() else {
        return true;
    };
    if name == host {
        return true;
    }
    let certificates = (worker.tls.certificate(name), worker.tls.certificate(host));
    matches!(certificates, (Some(one), Some(other)) if one.cert == other.cert)
}
