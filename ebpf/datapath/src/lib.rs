//! The whole decision about a packet, as plain code.
//!
//! ```text
//! client ──> [uplink] ── known flow? else schedule ──┬─> task here: rewrite, to the bridge
//!                │                                   └─> task elsewhere: into the tunnel
//!                ├─ out of the tunnel, towards a task: remember the flow, to the bridge
//!                ├─ out of the tunnel, towards a client: to the wire
//!                └─ out of the tunnel, towards a process here: to the kernel
//! task ──> [port, bridge] ─┬─ reply of a flow? rewrite ─┬─> to the wire
//!                          │                            └─> into the tunnel, to the ingress node
//!                          └─ calls a published port: as a client, under the node's address
//! process ─> [host] ── own address? schedule, point its socket at the task
//!       └──> [egress] ── to a task elsewhere: into the tunnel
//! ```
//!
//! The same code runs under XDP, under tc and in ordinary tests: it sees packets
//! and maps only through the traits of [`packet`]. Whatever is not ours is left to
//! the kernel, byte for byte.
#![cfg_attr(not(any(feature = "model", test)), no_std)]
#![forbid(unsafe_code)]

pub mod bridge;
pub mod checksum;
pub mod choose;
pub mod deliver;
pub mod egress;
pub mod errors;
mod fragments;
pub mod geneve;
pub mod hairpin;
pub mod headers;
pub mod icmp;
pub mod l4_packet;
#[cfg(feature = "model")]
pub mod model;
pub mod mss;
pub mod own_flows;
pub mod packet;
pub mod parse;
pub mod path_mtu;
pub mod pmtu;
pub mod port;
mod port_remap;
pub mod rewrite;
pub mod schedule;
mod sender;
mod settle;
mod snat_port;
pub mod socket_lb;
mod token;
pub mod tunnel;
pub mod uplink;
pub mod verdict;

pub use packet::{Packet, Tables};
pub use verdict::Verdict;
