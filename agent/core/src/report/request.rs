//! Report of `lbctl explain URL`: what the HTTP router does with one request, and why.

use super::RouteReport;
use crate::model::ids::TaskId;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// `GET /v1/explain-request`: what the HTTP router of this node would do, now, with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestExplanation {
    /// The method.
    pub method: String,
    /// The URL, with the path in the form in which rules see it.
    pub url: String,
    /// The port on which it comes: `http` (80) or `https` (443).
    pub entry_point: String,
    /// Who would send it.
    pub client: IpAddr,
    /// No address of the client's was given: this one is a guess.
    pub client_assumed: bool,
    /// What would become of it.
    pub result: RequestResult,
    /// The status of the router's own answer, if it gives one.
    pub status: Option<u16>,
    /// Where that answer sends the client.
    pub location: Option<String>,
    /// The route that the request belongs to.
    pub route: Option<RouteReport>,
    /// The other routes of the host, in the order in which they are looked at, then those that are kept out of the table.
    pub others: Vec<OtherRoute>,
    /// The filters of the route, in order.
    pub filters: Vec<FilterReport>,
    /// The way in which the task is chosen: `least-loaded`, `round-robin`, `client-address`, `cookie`, `app-cookie`.
    pub balance: Option<String>,
    /// The path that the task gets.
    pub path: Option<String>,
    /// The tasks of the route's service, as the router knows them.
    pub tasks: Vec<RequestTask>,
    /// Name of the only task that the request may go to first; null where the router chooses among several.
    pub task: Option<String>,
    /// The certificate that is shown; null without TLS.
    pub certificate: Option<CertificateReport>,
    /// All of that for people, in order.
    pub sentences: Vec<String>,
}

impl RequestExplanation {
    /// Does the client get what it may have asked for: a task's answer, or the way to another URL?
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.result != RequestResult::Refused
            && self.result != RequestResult::NoReadyTask
            && self.status.is_none_or(|status| status < 400)
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestResult {
    /// It is not valid, or not served whatever the host is.
    Refused,
    /// No route is for it.
    NoRoute,
    /// A filter of its route answers it.
    Filtered,
    /// The client is sent to another URL, which the route names.
    Redirected,
    /// No task takes requests.
    NoReadyTask,
    /// A task gets it.
    Task,
    /// The router passes the connection's bytes to a task, which speaks TLS itself.
    PassedThrough,
}

/// A route of the same host that does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherRoute {
    /// The route.
    pub route: RouteReport,
    /// Why it does not answer.
    pub reason: OtherReason,
    /// The parts of its rule that keep the request out.
    pub unmatched: Vec<String>,
    /// Name of the older service that has its rule.
    pub older: Option<String>,
}

/// Why a route does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherReason {
    /// Its rule does not match.
    Unmatched,
    /// It is not served on the port.
    OtherEntryPoint,
    /// Its rule matches, and the route that answers comes before it.
    Outranked,
    /// An older service has its rule.
    Conflict,
}

/// One filter of the route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterReport {
    /// What it does, as in [`RouteReport::filters`].
    pub filter: String,
    /// What it does with the request.
    pub outcome: FilterOutcome,
}

/// What a filter does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterOutcome {
    /// The request passes it.
    Passed,
    /// The request passes it if its password is right, which is not compared here.
    IfPassword,
    /// It answers.
    Answers,
    /// Another one has answered before.
    NotReached,
}

/// A task of the route's service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestTask {
    /// Its id.
    pub id: TaskId,
    /// Its name, as in `lbctl stats`.
    pub name: String,
    /// Host name of its node.
    pub node: String,
    /// It runs on this node.
    pub local: bool,
    /// The address by which the router reaches it, and the port; `None`: it does not reach it.
    pub address: Option<SocketAddr>,
    /// New requests may go to it.
    pub ready: bool,
    /// `running`, `starting`, `stopping`, `unhealthy`…
    pub state: String,
}

/// The certificate that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReport {
    /// What decides.
    pub by: CertificateBy,
    /// The file with the certificate, where a label names it or the router has told of it; in a Swarm, a secret of its service.
    pub certificate: Option<String>,
    /// The file with its key, where a label names it or the router has told of it.
    pub key: Option<String>,
    /// The DNS names that the certificate is for, where the router has told of it.
    #[serde(default)]
    pub names: Vec<String>,
    /// End of its validity, in seconds since 1970, where the router has told of it.
    #[serde(default)]
    pub expires_s: Option<u64>,
}

/// What decides which certificate is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateBy {
    /// A label of a route of the host.
    Label,
    /// The name in the handshake, among the router's certificates.
    Name,
    /// The task, which speaks TLS itself.
    Task,
    /// Nothing: clients say no name where the URL has an address.
    Nothing,
    /// The router has none: neither for the name, nor in the files that a label names.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_served_by_a_task_or_sent_elsewhere_and_not_by_a_refusal() {
        use RequestResult::{
            Filtered, NoReadyTask, NoRoute, PassedThrough, Redirected, Refused, Task,
        };
        for (result, status, served) in [
            (Task, None, true),
            (PassedThrough, None, true),
            (Redirected, Some(302), true),
            (Filtered, Some(308), true),
            (Filtered, Some(399), true),
            (Filtered, Some(400), false),
            (Filtered, Some(403), false),
            (NoRoute, Some(404), false),
            (NoReadyTask, Some(503), false),
            (NoReadyTask, None, false),
            (Refused, None, false),
        ] {
            let told = RequestExplanation {
                method: "GET".to_owned(),
                url: "http://a.example/".to_owned(),
                entry_point: "http".to_owned(),
                client: [192, 0, 2, 1].into(),
                client_assumed: true,
                result,
                status,
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
            };
            assert_eq!(told.is_served(), served, "{result:?} {status:?}");
        }
    }
}
