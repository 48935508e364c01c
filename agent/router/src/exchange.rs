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
use crate::record::{Record, Seen};
use crate::routing::Found;
use crate::worker::Worker;
use forward::Asked;
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use lb_router_wire::stats::Total;
use lb_routes::answers::{self, Answer, Problem};
use lb_routes::filters::{self, Chain, Step};
use lb_routes::heads::{Checked, Head, Origin, Refusal, check, prepare_request};
use lb_routes::route::Target;
use lb_routes::rule::{self, Host};
use std::convert::Infallible;
use std::rc::Rc;
use tunnel::Upgrade;

/// Answers a request, whatever happens.
pub(crate) async fn answer(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let version = request.version();
    let mut record = Record::begin(&worker, &client, version);
    let mut answer = checked(&worker, &client, &mut record, request).await;
    let tunnel = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    if client.is_draining() && version < Version::HTTP_2 && !tunnel {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
    record.answers(answer.status());
    answer.body_mut().hold(record);
    Ok(answer)
}

/// Answers at once what is no request, and what is not for this connection.
async fn checked(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    record: &mut Record,
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
        Err(refusal) => {
            worker.stats.up(rejected(refusal));
            record.seen(
                client,
                &Seen {
                    id: &format!("{random:032x}"),
                    client: client.address,
                    version: request.version(),
                    method: request.method(),
                    host: request.uri().host(),
                    path: request.uri().path(),
                    query: request.uri().query(),
                    headers: request.headers(),
                },
            );
            let reason = rejected(refusal).labels().first();
            record.fails(reason.map_or("rejected", |(_, reason)| reason));
            return page::refused(refusal, &request, random);
        }
    };
    let upgrade = checked
        .websocket
        .then(|| Upgrade::asked(client, &mut request));
    let (mut parts, body) = request.into_parts();
    let downstream = client.downstream();
    let policy = &worker.settings.forwarded;
    let origin = prepare_request(&mut parts.headers, &checked, downstream, policy, random);
    record.seen(
        client,
        &Seen {
            id: origin.request_id.to_str().unwrap_or_default(),
            client: origin.client,
            version: parts.version,
            method: &parts.method,
            host: Some(checked.host.as_str()),
            path: checked.path.as_str(),
            query: parts.uri.query(),
            headers: &parts.headers,
        },
    );
    if checked.websocket {
        // By HTTP/2 it has come as CONNECT. The task gets what HTTP/1.1 has for it, and so do rules and filters.
        parts.method = Method::GET;
    }
    if client.requests_are_too_many() {
        worker.stats.up(Total::RejectedRequests);
        record.fails("overloaded");
        return page::problem(&Problem::Overloaded, &parts.headers, &origin);
    }
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
                record.found(found);
                let request = Routed {
                    checked,
                    origin,
                    parts,
                    body,
                    upgrade,
                };
                return routed(worker, client, found, record, request).await;
            }
            None => {
                worker.stats.up(if routing.has_host(&checked.host) {
                    Total::UnroutedPath
                } else {
                    Total::UnroutedHost
                });
                record.fails("no-route");
                Problem::NoRoute(&checked.host)
            }
        }
    } else {
        worker.stats.up(Total::UnroutedSni);
        record.fails("misdirected");
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
    record: &mut Record,
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
                let comparing = worker.passwords.check(&credentials, origin.client);
                let Ok(good) = Box::pin(comparing).await else {
                    worker.stats.up(Total::RejectedRequests);
                    record.fails("overloaded");
                    return page::problem(&Problem::Overloaded, seen.headers, &origin);
                };
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
                    let mut answer =
                        forward::forward(worker, client, found, tasks, record, asked).await;
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

/// Where a head that is refused is counted.
fn rejected(refusal: Refusal) -> Total {
    match refusal {
        Refusal::NoHost => Total::RejectedNoHost,
        Refusal::ManyHosts => Total::RejectedManyHosts,
        Refusal::BadHost => Total::RejectedBadHost,
        Refusal::OtherHost => Total::RejectedOtherHost,
        Refusal::Path(_) => Total::RejectedPath,
        Refusal::Scheme => Total::RejectedScheme,
        Refusal::LongTarget => Total::RejectedLongTarget,
        Refusal::Query => Total::RejectedQuery,
        Refusal::Method => Total::RejectedMethod,
        Refusal::ManyFields => Total::RejectedManyFields,
        Refusal::Field => Total::RejectedField,
        Refusal::ContentLength => Total::RejectedContentLength,
        Refusal::TwoLengths => Total::RejectedTwoLengths,
        Refusal::TransferEncoding => Total::RejectedTransferEncoding,
        Refusal::TransferCoding => Total::RejectedTransferCoding,
    }
}
