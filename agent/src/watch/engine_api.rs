//! Constants of the engine's HTTP API on which the agent and its filter agree.

use hyper::StatusCode;

/// Path and query of the list of running containers that belong to tasks:
/// `{"label":["com.docker.swarm.task.id"]}`.
pub(crate) const TASK_CONTAINERS: &str =
    "/containers/json?filters=%7B%22label%22%3A%5B%22com.docker.swarm.task.id%22%5D%7D";

/// Status of the filter's answer while the engine gives none. The engine itself never answers with it.
pub(crate) const NO_ENGINE: StatusCode = StatusCode::BAD_GATEWAY;
