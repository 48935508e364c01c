//! What is done with a request and its answer on their way: the filters of a route, in their order.
//!
//! ```text
//! Chain::new ── run(request) ──> Continue: to a task, by Chain::target
//!                            ──> Answer: the router's own, for example a redirect
//!                            ──> NeedsPassword ── verify, elsewhere ── password_checked ──> one of these again
//! answer of the task ── respond ──> answer to the client
//! ```
//!
//! An answer of a filter has passed the filters before it, as in Traefik; one of the task, or in its stead, passes all.

mod basic_auth;
mod chain;
mod change;
mod cors;
mod password;
mod response;

pub use basic_auth::Credentials;
pub use chain::{Chain, Request, Step};
pub use password::verify;

#[cfg(test)]
mod tests;
