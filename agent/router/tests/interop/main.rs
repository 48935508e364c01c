//! Programs that others have written, as clients and as tasks, with a router process between them: curl, the Python
//! packages websockets and grpcio, Node, Chromium.
//!
//! What they check is in `scripts`, in their own languages; a script ends with an error at the first thing that is not as it
//! has to be. Where a program is not installed, the test says so (`lb_support::not_tested`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod chromium;
mod curl;
mod grpc;
mod node;
mod pages;
mod programs;
mod site;
mod websockets;
