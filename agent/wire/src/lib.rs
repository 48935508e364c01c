//! Protocol between agents: converts messages to and from their protobuf form. Total: fields and values of another
//! version are skipped or become "unknown", never an error; no bytes stop the agent, and the memory that a message
//! takes is bounded by the limits of [`Bounded`].

/// Generated from `agent/proto/sync.proto`.
#[allow(
    unused_qualifications,
    missing_docs,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::uninlined_format_args,
    reason = "generated"
)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/swarmlb.sync.v1.rs"));
}

mod bounds;
mod keys;
mod peer_report;
mod snapshot;

pub use bounds::{Bounded, LimitError, STATS_BYTES, VIEW_BYTES};
pub use keys::{keys_in, keys_out};
pub use peer_report::{
    PeerReport, TASKS_PER_HELLO, event_in, event_out, health_in, health_out, report_in,
    task_health_out,
};
pub use snapshot::{DecodeError, decode, encode};

#[cfg(test)]
mod tests;
