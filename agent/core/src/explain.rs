//! Explains what would happen to a client's packet: the datapath's own code runs on a synthetic frame
//! over a copy of the maps.
//!
//! ```text
//! question ── frame ──> [uplink, over a copy] ── simulate: what changed ── result ──> Explanation
//! ```
//!
//! The kernel's maps are not changed: no flow is made, no counter incremented.

mod frame;
mod question;
mod result;
mod sentences;
mod simulate;
mod suggest;

pub use question::{ClientQuery, FrontendQuery, Place, Question, QuestionError};
pub use result::explain;

#[cfg(test)]
mod tests;
