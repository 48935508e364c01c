//! The admin API: HTTP/1.1 with JSON on a unix socket.
//!
//! [`bind`] takes the socket, [`Listener::serve`] answers on it from a [`Source`]
//! until it is told to stop. The bodies are `lb_core::report`; every other answer
//! than 200 carries a `ErrorBody`. Only root can connect: the socket file has mode
//! 0600 from the moment it exists. Nothing here changes anything in the agent.

mod routes;
mod socket;

pub use socket::{BindError, Listener, bind};
pub(crate) use socket::{SocketFile, take};

use futures_util::future::BoxFuture;
use lb_core::explain::{
    ClientQuery, FrontendQuery, QuestionError, RequestQuery, RequestQueryError,
};
use lb_core::report::build::FlowFilter;
use lb_core::report::{
    Check, Drops, Explanation, Flows, Nodes, RequestExplanation, Routes, Scope, Services, Stats,
    Status,
};

/// Source of the answers. Called for every request, so an implementation answers from memory.
pub trait Source: Send + Sync + 'static {
    /// Status of the agent; known from its start on.
    fn status(&self) -> Status;
    /// Published services, as this node answers them.
    fn services(&self) -> Result<Services, ApiError>;
    /// HTTP routes, as this node serves them.
    fn routes(&self) -> Result<Routes, ApiError>;
    /// The Swarm's nodes.
    fn nodes(&self) -> Result<Nodes, ApiError>;
    /// Problems of this node.
    fn check(&self) -> Result<Check, ApiError>;
    /// Traffic of all services. Reads counters, and for [`Scope::Cluster`] asks other
    /// agents, so it takes time; nodes that do not answer go into `Stats::missing`.
    fn stats(&self, scope: Scope) -> BoxFuture<'_, Result<Stats, ApiError>>;
    /// Packets dropped on this node.
    fn drops(&self) -> BoxFuture<'_, Result<Drops, ApiError>>;
    /// Flows that this node remembers.
    fn flows(&self, asked: FlowFilter) -> BoxFuture<'_, Result<Flows, ApiError>>;
    /// Verdict on a packet of `client` to `frontend` that arrives on this node.
    fn explain(
        &self,
        client: ClientQuery,
        frontend: FrontendQuery,
    ) -> BoxFuture<'_, Result<Explanation, ApiError>>;
    /// What the HTTP router of this node does with a request.
    fn explain_request(&self, query: &RequestQuery) -> Result<RequestExplanation, ApiError>;
}

/// Error of an admin API request; its display is the `error` of [`lb_core::report::ErrorBody`].
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The agent has just started, or no manager has answered it yet.
    #[error("nothing is known of the Swarm yet: {why}")]
    NothingKnown {
        /// The missing answer, in a clause.
        why: String,
    },
    /// The kernel did not give the counters.
    #[error("the counters cannot be read: {0}")]
    Counters(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The kernel did not give what it holds.
    #[error("the datapath's maps cannot be read: {0}")]
    Maps(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The kernel decides by itself.
    #[error(
        "with the IPVS datapath the kernel picks tasks by itself and does not say whom next; `lbctl services` and `ipvsadm -Ln` show among whom"
    )]
    KernelDecides,
    /// No HTTP router is switched on.
    #[error(
        "the HTTP router is switched off on this node: run the agent with --router on (deploy/router.yml does)"
    )]
    RouterOff,
    /// The question names something that is not there.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// The question is about no request.
    #[error(transparent)]
    Request(#[from] RequestQueryError),
}
