//! Protocol between the agent and the HTTP router of its node.
//!
//! Messages are values ([`ToRouter`], [`ToAgent`]); [`frame`] brings them to bytes and back, with limits on what an end
//! accepts; [`fds`] passes sockets along. Labels cross as they are: each end reads them by `lb-routes`, so that the
//! agent reports about the same routes that the router serves.

/// Generated from `agent/proto/router.proto`.
#[allow(
    unused_qualifications,
    unreachable_pub,
    missing_docs,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::uninlined_format_args,
    reason = "generated"
)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/swarmlb.router.v1.rs"));
}

pub mod certificates;
mod convert;
pub mod fds;
pub mod frame;
mod message;
pub mod stats;

pub use message::{Change, EntryPoint, Listener, Service, Task, ToAgent, ToRouter, View};

#[cfg(test)]
mod tests;
