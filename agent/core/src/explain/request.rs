//! Explains what the HTTP router does with a request: its own code (`lb_routes`) takes the request through the table and the
//! filters, up to the choice of the task, which follows from what only the router knows.
//!
//! ```text
//! RequestQuery ── heads ──> what rules see ── Table ──> route, and why not the others ── Chain ──> answer, or tasks
//! ```

mod certificate;
mod query;
mod sentences;
mod tasks;

pub use query::{RequestQuery, RequestQueryError};

use crate::backend::TaskAddresses;
use crate::desired::{Declarations, RoutedService};
use crate::model::ids::ServiceId;
use crate::model::snapshot::Snapshot;
use crate::persistent::PersistentMap;
use crate::report::{
    CertificateBy, FilterOutcome, FilterReport, OtherReason, OtherRoute, RequestExplanation,
    RequestResult, RouteReport, RouterCertificate, build,
};
use http::{HeaderMap, Version};
use lb_routes::answers::{Answer, elsewhere};
use lb_routes::filters::{self, Chain, Step};
use lb_routes::heads::{Checked, Downstream, Head, Origin, Policy, check, prepare_request};
use lb_routes::route::{Filter, Target};
use lb_routes::rule;
use lb_routes::table::{Entry, Outcome, Table};
use std::sync::Arc;

/// What is routed on a node.
#[derive(Clone, Copy, Debug)]
pub struct Routed<'a> {
    /// The view of the Swarm.
    pub snapshot: &'a Snapshot,
    /// What the labels of its services declare.
    pub declarations: &'a Declarations,
    /// What the router is told of its services.
    pub services: &'a PersistentMap<ServiceId, Arc<RoutedService>>,
    /// Where the router reaches their tasks.
    pub addresses: &'a TaskAddresses,
    /// The certificates that the router can show, by file; `None` where it has not said so.
    pub certificates: Option<&'a [RouterCertificate]>,
    /// The time of day, in seconds since 1970.
    pub now_s: u64,
}

/// `GET /v1/explain-request`.
#[must_use]
pub fn explain_request(routed: &Routed<'_>, query: &RequestQuery) -> RequestExplanation {
    let table = routed.declarations.table();
    let mut told = asked(query);
    let certificates = routed.certificates;
    told.certificate = query
        .tls()
        .then(|| certificate::shown(table, query, certificates, routed.now_s));
    let by = told.certificate.as_ref().map(|it| it.by);
    let refusal = match by {
        // There is no connection on which a request could come.
        Some(CertificateBy::Nothing | CertificateBy::Missing) => None,
        Some(CertificateBy::Task) => {
            if let Some(entry) = table.tls(&query.host) {
                told.result = RequestResult::PassedThrough;
                routed.tasks(entry, &HeaderMap::new(), query.client, &mut told);
            }
            None
        }
        Some(CertificateBy::Label | CertificateBy::Name) | None => {
            routed.request(table, query, &mut told)
        }
    };
    told.sentences = sentences::sentences(query, &told, refusal.as_deref(), routed.now_s);
    told
}

/// What was asked, without an answer: refused.
fn asked(query: &RequestQuery) -> RequestExplanation {
    RequestExplanation {
        method: query.method.to_string(),
        url: format!("{}://{}{}", query.scheme(), query.host, query.target),
        entry_point: query.scheme().to_owned(),
        client: query.client,
        client_assumed: query.client_assumed,
        result: RequestResult::Refused,
        status: None,
        location: None,
        route: None,
        others: Vec::new(),
        filters: Vec::new(),
        balance: None,
        path: None,
        tasks: Vec::new(),
        task: None,
        certificate: None,
        sentences: Vec::new(),
    }
}

/// A request that was checked, as rules and filters see it.
struct Prepared<'a> {
    query: &'a RequestQuery,
    checked: Checked,
    headers: HeaderMap,
    origin: Origin,
}

impl Routed<'_> {
    /// What becomes of a request on a connection of the router's. The sentence with which it is refused, if it is.
    fn request(
        &self,
        table: &Table,
        query: &RequestQuery,
        told: &mut RequestExplanation,
    ) -> Option<String> {
        let mut headers = query.headers.clone();
        let checked = match check(Head {
            method: &query.method,
            uri: &query.target,
            version: Version::HTTP_11,
            headers: &headers,
            protocol: None,
        }) {
            Ok(checked) => checked,
            Err(refusal) => {
                told.status = Some(refusal.status().as_u16());
                return Some(refusal.to_string());
            }
        };
        let port = if query.tls() { 443 } else { 80 };
        let downstream = Downstream::new(query.client, port, query.tls());
        // The agent does not know whom the router trusts: the client is a stranger.
        let origin = prepare_request(&mut headers, &checked, &downstream, &Policy::default(), 0);
        let asked_for = query.target.query().map(|query| format!("?{query}"));
        let asked_for = asked_for.unwrap_or_default();
        told.url = format!(
            "{}://{}{}{asked_for}",
            query.scheme(),
            checked.host,
            checked.path
        );
        let seen = rule::Request {
            host: &checked.host,
            path: &checked.path,
            query: query.target.query().unwrap_or_default(),
            method: &query.method,
            headers: &headers,
            client: origin.client,
        };
        let mut found = None;
        for (entry, outcome) in table.outcomes(query.entry_point, &seen) {
            let (reason, unmatched) = match outcome {
                Outcome::Answers => {
                    found = Some(entry);
                    continue;
                }
                Outcome::Outranked => (OtherReason::Outranked, Vec::new()),
                Outcome::OtherEntryPoint => (OtherReason::OtherEntryPoint, Vec::new()),
                Outcome::Unmatched(parts) => (
                    OtherReason::Unmatched,
                    parts.iter().map(ToString::to_string).collect(),
                ),
            };
            told.others.push(OtherRoute {
                route: self.route(entry),
                reason,
                unmatched,
                older: None,
            });
        }
        let mut kept_out = table.conflicts();
        kept_out.retain(|it| it.younger.route.rule.may_match_host(&checked.host));
        told.others
            .extend(kept_out.iter().map(|conflict| OtherRoute {
                route: self.route(&conflict.younger),
                reason: OtherReason::Conflict,
                unmatched: Vec::new(),
                older: Some(conflict.older.service_name.clone()),
            }));
        let Some(entry) = found else {
            told.result = RequestResult::NoRoute;
            told.status = Some(404);
            return None;
        };
        let request = Prepared {
            query,
            checked,
            headers,
            origin,
        };
        self.answered(entry, request, told);
        None
    }

    /// What the route that was found does with the request.
    fn answered(&self, entry: &Entry, mut request: Prepared<'_>, told: &mut RequestExplanation) {
        told.route = Some(self.route(entry));
        let (path, answer) = filter(&entry.route.filters, &mut request, &mut told.filters);
        let query = request.query;
        let answer = match (&entry.route.target, answer) {
            (_, Some(answer)) => {
                told.result = RequestResult::Filtered;
                answer
            }
            (Target::Elsewhere(url), None) => {
                told.result = RequestResult::Redirected;
                let answer = elsewhere(url, &request.checked.path, query.target.query());
                let Some(answer) = answer else {
                    told.status = Some(500);
                    return;
                };
                answer
            }
            (Target::Tasks(_), None) => {
                told.result = RequestResult::Task;
                told.path = Some(path);
                self.tasks(entry, &request.headers, request.origin.client, told);
                return;
            }
        };
        told.status = Some(answer.status.as_u16());
        let location = answer.headers.get(http::header::LOCATION);
        let location = location.and_then(|url| url.to_str().ok());
        told.location = location.map(str::to_owned);
    }

    fn route(&self, entry: &Entry) -> RouteReport {
        let id = ServiceId::from(entry.service.as_str());
        let service = self.services.get(&id);
        let tasks = service.map_or(&[][..], |service| &service.tasks);
        let ready = tasks.iter().filter(|task| task.active).count();
        build::route(entry, id, ready, tasks.len())
    }
}

/// Takes the request through these filters: the path that the task gets, and the answer of a filter, if one gives it.
fn filter(
    all: &[Filter],
    request: &mut Prepared<'_>,
    told: &mut Vec<FilterReport>,
) -> (String, Option<Answer>) {
    let path = request.checked.path.clone();
    let mut chain = Chain::new(all, path, request.origin.https, &request.headers);
    let mut seen = filters::Request {
        method: &request.query.method,
        host: &request.checked.host,
        query: request.query.target.query(),
        headers: &mut request.headers,
        client: request.origin.client,
        request_id: request.origin.request_id.to_str().unwrap_or_default(),
    };
    let mut with_password = Vec::new();
    let mut step = chain.run(&mut seen);
    let answer = loop {
        step = match step {
            Step::Continue => break None,
            Step::Answer(answer) => break Some(answer),
            Step::NeedsPassword(_) => {
                with_password.extend(chain.stopped_at());
                chain.password_checked(true, &mut seen)
            }
        };
    };
    let stopped_at = chain.stopped_at().filter(|_| answer.is_some());
    let mut reached = true;
    for it in all {
        let outcome = if !reached {
            FilterOutcome::NotReached
        } else if stopped_at.is_some_and(|stopped| std::ptr::eq(stopped, it)) {
            reached = false;
            FilterOutcome::Answers
        } else if with_password.iter().any(|asked| std::ptr::eq(*asked, it)) {
            FilterOutcome::IfPassword
        } else {
            FilterOutcome::Passed
        };
        told.push(FilterReport {
            filter: build::filter(it).to_owned(),
            outcome,
        });
    }
    (chain.path().to_string(), answer)
}

#[cfg(test)]
mod tests;
