//! What clients do, as futures for any namespace.
//!
//! Each call has an end in time. Nothing is retried: a refused connection or a
//! lost datagram is an error that a test wants to see.

pub mod http;
pub mod load;
pub mod pace;
mod report;
pub mod udp;
