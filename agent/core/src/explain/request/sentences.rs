//! An explanation of a request in words: who asks for what, which route answers and why no other does, and what comes of it.

use super::{RequestQuery, certificate};
use crate::report::{
    CertificateBy, FilterOutcome, OtherReason, OtherRoute, RequestExplanation, RequestResult,
    RouteReport,
};
use http::header::HOST;
use lb_routes::heads::FORWARDED_PREFIX;
use lb_routes::rule::Host;

/// Routes and tasks of which a sentence is said each.
const FEW: usize = 24;

/// `refusal`: why the request is refused, where it is; `now_s`: the time of day, in seconds since 1970.
pub(super) fn sentences(
    query: &RequestQuery,
    told: &RequestExplanation,
    refusal: Option<&str>,
    now_s: u64,
) -> Vec<String> {
    let context = Context { query, told, now_s };
    let mut all = context.question();
    all.extend(context.certificate());
    all.extend(context.route(refusal));
    let others = told.others.iter().take(FEW);
    all.extend(others.map(|other| context.other(other)));
    all.extend(more(told.others.len(), "routes of the host"));
    all.extend(context.filters());
    all.extend(context.result());
    all
}

struct Context<'a> {
    query: &'a RequestQuery,
    told: &'a RequestExplanation,
    now_s: u64,
}

impl Context<'_> {
    fn port(&self) -> u16 {
        if self.query.tls() { 443 } else { 80 }
    }

    fn question(&self) -> Vec<String> {
        let (told, port) = (self.told, self.port());
        let mut all = vec![format!(
            "{} asks for {} {} on port {port}.",
            told.client, told.method, told.url
        )];
        if told.client_assumed {
            all.push(format!(
                "No address of the client's was given: {} is assumed.",
                told.client
            ));
        }
        if let Some(other) = self.query.port.filter(|other| *other != port) {
            all.push(format!(
                "Port {other} is none of the router's: it is assumed to lead to its port {port}."
            ));
        }
        let mut fields = self.query.headers.keys();
        if fields.any(|name| name.as_str().starts_with(FORWARDED_PREFIX) || name == "forwarded") {
            all.push(
                "The client is assumed to be no proxy that the router trusts: what it says in Forwarded and X-Forwarded \
                 fields is removed."
                    .to_owned(),
            );
        }
        all
    }

    fn certificate(&self) -> Vec<String> {
        let Some(certificate) = &self.told.certificate else {
            return Vec::new();
        };
        let host = &self.query.host;
        let mut all = certificate::sentences(certificate, host, self.now_s);
        let named = self.query.headers.get(HOST);
        let named = named.and_then(|host| host.to_str().ok()).and_then(Host::of);
        let request_comes = !matches!(certificate.by, CertificateBy::Task | CertificateBy::Missing);
        if request_comes && let Some(named) = named.filter(|named| named != host) {
            all.push(format!(
                "The connection is made for {host} and the request for {named}: the router answers 421 unless both have \
                 one certificate."
            ));
        }
        all
    }

    fn route(&self, refusal: Option<&str>) -> Option<String> {
        let told = self.told;
        if let (Some(why), Some(status)) = (refusal, told.status) {
            return Some(format!("The router answers {status}: {why}"));
        }
        if told.result == RequestResult::NoRoute {
            let port = self.port();
            return Some(format!(
                "No route on port {port} is for it: the router answers 404."
            ));
        }
        let route = told.route.as_ref()?;
        let rule = &route.rule;
        Some(format!(
            "{} answers: its rule {rule} matches, with priority {}.",
            named(route),
            route.priority
        ))
    }

    fn other(&self, other: &OtherRoute) -> String {
        let route = &other.route;
        let which = format!(
            "{} ({}, priority {})",
            named(route),
            route.rule,
            route.priority
        );
        match other.reason {
            OtherReason::Unmatched => {
                let parts = other.unmatched.join(", ");
                format!("Not {which}: of its rule, {parts} does not match.")
            }
            OtherReason::OtherEntryPoint => {
                let port = self.port();
                format!("Not {which}: it is not served on port {port}.")
            }
            OtherReason::Outranked => {
                let answers = self.told.route.as_ref();
                let equal = answers.is_some_and(|answers| answers.priority == route.priority);
                if equal {
                    format!(
                        "Not {which}: of equal priority, hosts come before expressions, and older services before younger \
                         ones."
                    )
                } else {
                    format!("Not {which}: its priority is lower.")
                }
            }
            OtherReason::Conflict => {
                let older = other.older.as_deref().unwrap_or("another service");
                format!("Not {which}: service {older}, which is older, has this rule.")
            }
        }
    }

    fn filters(&self) -> Option<String> {
        let filters = self.told.filters.iter();
        let filters: Vec<String> = filters
            .map(|it| {
                let outcome = match it.outcome {
                    FilterOutcome::Passed => "passed",
                    FilterOutcome::IfPassword => {
                        "passed if the password is right, which is not compared here"
                    }
                    FilterOutcome::Answers => "answers",
                    FilterOutcome::NotReached => "not reached",
                };
                format!("{} ({outcome})", it.filter)
            })
            .collect();
        (!filters.is_empty()).then(|| format!("Its filters, in order: {}.", filters.join(", ")))
    }

    fn result(&self) -> Vec<String> {
        let told = self.told;
        let service = told.route.as_ref().map_or("?", |route| &route.service_name);
        match told.result {
            RequestResult::Refused | RequestResult::NoRoute => Vec::new(),
            RequestResult::Filtered | RequestResult::Redirected => {
                let status = told.status.unwrap_or_default();
                vec![match &told.location {
                    Some(url) => {
                        format!("The router answers {status} and sends the client to {url}.")
                    }
                    None => format!("The router answers {status}."),
                }]
            }
            RequestResult::NoReadyTask => {
                let answer = match told.status {
                    Some(status) => format!("the router answers {status}"),
                    None => "the router ends the connection".to_owned(),
                };
                let mut all = vec![format!(
                    "No task of {service} takes new requests: {answer}."
                )];
                all.extend(self.tasks());
                all
            }
            RequestResult::Task | RequestResult::PassedThrough => {
                let mut all = vec![self.choice(service)];
                all.extend(self.tasks());
                all
            }
        }
    }

    /// The way in which the task is chosen, and the task if the request alone decides.
    fn choice(&self, service: &str) -> String {
        let told = self.told;
        let ready = told.tasks.iter().filter(|task| task.ready).count();
        let gets = match &told.path {
            Some(path) => format!("gets {path}"),
            None => "gets the connection".to_owned(),
        };
        if let Some(task) = &told.task {
            let why = match (told.balance.as_deref(), ready) {
                (_, 1) => "it is the only one that takes new requests",
                (Some("client-address"), _) => {
                    "the client's address leads to it, through every node"
                }
                _ => "the client's cookie leads to it, through every node",
            };
            return format!("{task} {gets}, unless it has just failed: {why}.");
        }
        let how = match told.balance.as_deref() {
            Some("round-robin") => "one after the other",
            Some("cookie") => {
                "the less loaded of two that are drawn, to which the client comes back by a cookie"
            }
            Some("app-cookie") => {
                "the less loaded of two that are drawn, until the client has the application's cookie"
            }
            _ => "the less loaded of two that are drawn",
        };
        format!(
            "One of {ready} tasks of {service} {gets}: {how}. Which one that is, is the router's choice with each request."
        )
    }

    fn tasks(&self) -> Vec<String> {
        let tasks = &self.told.tasks;
        let mut all: Vec<String> = Vec::new();
        for task in tasks.iter().take(FEW) {
            let state = match (task.ready, task.state.as_str()) {
                (true, _) => "ready".to_owned(),
                (false, "running") => "not for requests that come to this node".to_owned(),
                (false, state) => format!("{state}, no new requests"),
            };
            let address = match task.address {
                Some(address) => address.to_string(),
                None => "not reached from here".to_owned(),
            };
            all.push(format!(
                "{} on {}, {address}: {state}.",
                task.name, task.node
            ));
        }
        all.extend(more(tasks.len(), "tasks"));
        all
    }
}

/// A route as people look for it: its service, and its name among the service's routes.
fn named(route: &RouteReport) -> String {
    format!("route {} of service {}", route.name, route.service_name)
}

fn more(count: usize, what: &str) -> Option<String> {
    let more = count.checked_sub(FEW).filter(|more| *more > 0)?;
    Some(format!("{more} more {what} (see: --json)."))
}
