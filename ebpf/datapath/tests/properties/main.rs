//! Properties of every packet, not only of those of the fixtures: checked on random
//! ones, against etherparse's reading and writing of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test that calls them"
)]

mod faulty;
mod nodes;
mod packets;

mod admission;
mod bridge_port;
mod checksum;
mod faults;
mod flows;
mod fragments;
mod icmp;
mod icmp_refused;
mod ingress;
mod merged;
mod mss;
mod own_flows;
mod parse;
mod paths;
mod pmtu;
mod port_remap;
mod proof;
mod schedulers;
mod tunnel_header;
