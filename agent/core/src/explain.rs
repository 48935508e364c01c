//! Explains what would happen to a client's packet: the datapath's own code runs on a synthetic frame
//! over a copy of the maps.
//!
//! ```text
//! question ── frame ──> [uplink, over a copy] ── simulate: what changed ── result ──> Explanation
//! ```
//!
//! The kernel's maps are not changed: no flow is made, no counter incremented.
//!
//! What becomes of an HTTP request is explained by the router's own code (`lb_routes`), in `request`.

mod frame;
mod question;
mod request;
mod result;
mod sentences;
mod simulate;
mod suggest;

pub use question::{ClientQuery, FrontendQuery, Place, Question, QuestionError};
pub use request::{RequestQuery, RequestQueryError, Routed, explain_request};
pub use result::explain;

#[cfg(test)]
mod tests;
