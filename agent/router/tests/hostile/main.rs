//! Hostile bytes: what two programs could read in two ways reaches no task, whatever a client sends.
//!
//! The router is taken as a transducer. Bytes go in, and what it writes to a task is recorded byte by byte (`backend`). Four
//! parsers, of h11, httptools, Node and hyper, have to find the same one request in it (`oracle`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod answers;
mod backend;
mod cases;
mod http1;
mod http2;
mod hyper_parser;
mod mutations;
mod oracle;
mod parsers;
mod raw;
mod site;
mod slow;
mod tasks;
mod websockets;
