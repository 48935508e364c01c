//! The HTTP router of a node: takes requests on ports 80 and 443 to tasks, by the routes that services declare.
//!
//! ```text
//! agent ── link ──> Routing (immutable, shared) ──> workers
//! client ── downstream ──> exchange: find the route, choose a task ──> upstream ──> task
//! ```
//!
//! The agent owns the listening sockets and says what is routed; the router holds no privilege. One thread for each core
//! (`worker`) accepts, serves and keeps its own connections to tasks: nothing is shared on the way of a request.

mod access_log;
mod body;
pub mod cli;
mod clock;
mod downstream;
mod exchange;
pub mod limits;
mod link;
mod memory;
mod open_files;
mod passwords;
mod record;
pub mod routing;
mod run;
mod serve;
mod stats;
mod tls;
mod upstream;
mod worker;

pub use access_log::Format;
pub use run::{RunError, Settings, run};
