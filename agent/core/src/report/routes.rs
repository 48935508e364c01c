//! HTTP routes and routers, as operators see them.

use super::Problem;
use crate::model::ids::ServiceId;
use serde::{Deserialize, Serialize};

/// `GET /v1/routes`: which requests belong to which service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// In the order in which they are looked at: of those that match a request, the first one answers.
    pub routes: Vec<RouteReport>,
    /// What in services' labels of routes is not served, and ports on which no route is.
    pub problems: Vec<Problem>,
}

/// One HTTP route that is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteReport {
    /// Its rule, as Traefik writes it.
    pub rule: String,
    /// Id of its service.
    pub service: ServiceId,
    /// Name of its service.
    pub service_name: String,
    /// The labels that declare it: `com.docker.lb` or `traefik`.
    pub family: String,
    /// Its name among the routes of its service and family.
    pub name: String,
    /// The ports on which it is served: `http` (80), `https` (443).
    pub entry_points: Vec<String>,
    /// What is done with a request and its answer, in this order: `basic-auth`, `redirect-https`, `strip-prefix`, `closed`…
    pub filters: Vec<String>,
    /// The port on which the tasks listen; `None` where requests are sent elsewhere.
    pub port: Option<u16>,
    /// Where clients are sent in place of a task, if they are.
    pub redirect: Option<String>,
    /// Tasks that take new requests.
    pub ready: usize,
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Routes with a higher one are looked at first.
    pub priority: i64,
}

/// The HTTP routers of a node, as its agent knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterStatus {
    /// The number of the newest view of routes; `None` before the first one.
    pub view: Option<u64>,
    /// Routers that are connected: one, and two while one replaces the other.
    pub connected: Vec<RouterReport>,
}

/// One HTTP router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterReport {
    /// Its version.
    pub version: String,
    /// Its threads that accept connections.
    pub workers: u32,
    /// The number of the view that it has in force; `None` before the first one.
    pub applied: Option<u64>,
}
