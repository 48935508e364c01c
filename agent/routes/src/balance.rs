//! Which task gets a request, and what follows when it fails.
//!
//! ```text
//! tasks of a service ── Ejections::apply ──> Candidates ── Balancer::choose ──> Chosen
//! answer of the task ── Balancer::set_cookie ──> a cookie by which the client comes back to it
//! failed try ── Ejections::record, may_retry, RetryBudget ──> another task, or an answer of the router
//! ```
//!
//! Nothing is agreed on between workers and nodes: what has to come out alike everywhere follows from the request and the
//! tasks' keys alone, or stands in a cookie. The load is what this worker or its node knows.

mod balancer;
mod budget;
mod cookies;
mod ejection;
mod hash;
mod retry;
mod select;

pub use balancer::{Balancer, Chosen, Lookup};
pub use budget::RetryBudget;
pub use ejection::{Ejections, Outcome};
pub use retry::{Failure, TRIES, may_retry};

/// A task that may get a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The task's key (ADR 0005).
    pub key: u64,
    /// The number of requests that are in flight to it.
    pub load: u32,
    /// It runs on the router's node.
    pub local: bool,
    /// It takes new requests: it runs, is not being stopped, and is not ejected.
    pub ready: bool,
}
