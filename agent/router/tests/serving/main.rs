//! A router process and real sockets: what clients and tasks see.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod access_log;
mod agents;
mod balance;
mod connections;
mod labels;
mod passthrough;
mod proxy_protocol;
mod requests;
mod retries;
mod statistics;
mod sticky;
mod task_tls;
mod tls;
mod undelivered;
mod websockets;
