//! The access log: a line on standard output for each exchange, once its answer has ended or broken off.
//!
//! Workers make lines and never wait for who reads them: one thread writes, and what does not fit into its queue is
//! dropped and counted.

mod line;
mod time;
mod writer;

pub(crate) use line::{Asked, Ended, Line};
pub(crate) use writer::AccessLog;

/// Form of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// No lines.
    Off,
    /// A JSON object each.
    Json,
    /// The common log format, extended as Traefik does it.
    Common,
}
