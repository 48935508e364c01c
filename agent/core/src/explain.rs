//! What would happen to a client's packet, said by the datapath itself: its own code
//! runs on a frame made for the purpose, over a copy of the maps.
//!
//! ```text
//! question ── frame ──> [uplink, over a copy] ── trial: what changed ── told ──> Explanation
//! ```
//!
//! Nothing that the kernel holds is changed: no flow is made, no turn taken.

mod close;
mod frame;
mod question;
mod sentences;
mod told;
mod trial;

pub use question::{ClientAsked, FrontendAsked, Place, Question, QuestionError};
pub use told::explain;

#[cfg(test)]
mod tests;
