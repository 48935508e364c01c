//! One request and its answer: finds the route, chooses a task, brings the request there and the answer back.

mod answers;
mod body;
mod forward;
mod outgoing;
mod tunnel;

pub(crate) use body::{RequestBody, ResponseBody};

use crate::downstream::Client;
use crate::worker::Worker;
use answers::Refusal;
use forward::Asked;
use http::header::HOST;
use http::{Request, Response};
use hyper::body::Incoming;
use lb_routes::path::NormalPath;
use lb_routes::route::Target;
use lb_routes::rule::{self, Host};
use std::rc::Rc;

/// Answers a request, whatever happens.
pub(crate) async fn answer(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let under_way = client.request();
    match route(&worker, &client, request).await {
        Ok(mut answer) => {
            answer.body_mut().hold(under_way);
            answer
        }
        Err(refusal) => refusal.answer(),
    }
}

async fn route(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Refusal> {
    let upgrade = tunnel::asked(&mut request)?;
    let host = host(&request)?;
    if !is_for(worker, client, &host) {
        return Err(Refusal::Misdirected(host));
    }
    let path = NormalPath::of(request.uri().path()).map_err(Refusal::Path)?;
    let routing = worker.routing();
    let seen = rule::Request {
        host: &host,
        path: &path,
        query: request.uri().query().unwrap_or_default(),
        method: request.method(),
        headers: request.headers(),
        client: client.address,
    };
    let found = routing
        .find(client.entry_point, &seen)
        .ok_or_else(|| Refusal::NoRoute(host.clone()))?;
    match &found.entry.route.target {
        Target::Elsewhere(url) => Ok(answers::elsewhere(url, request.uri())),
        Target::Tasks(tasks) => {
            let asked = Asked {
                request,
                upgrade,
                path: &path,
            };
            forward::forward(worker, client, asked, tasks, found.service).await
        }
    }
}

/// The host that a request is for: its authority by HTTP/2, its only `Host` by HTTP/1.1 (RFC 9112, section 3.2).
fn host(request: &Request<Incoming>) -> Result<Host, Refusal> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Refusal::Host);
    }
    let field = field.map(|value| value.to_str()).transpose();
    let field = field.map_err(|_| Refusal::Host)?;
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    // Where both are there, they say the same, or proxies and applications would not agree (RFC 9113, section 8.3.1).
    if let (Some(authority), Some(field)) = (authority, field)
        && Host::of(authority) != Host::of(field)
    {
        return Err(Refusal::Host);
    }
    authority.or(field).and_then(Host::of).ok_or(Refusal::Host)
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
