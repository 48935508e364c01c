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
mod affinity;
mod agent_port;
mod bridge_port;
mod checksum;
mod faults;
mod flows;
mod fragments;
mod icmp;
mod icmp_refused;
mod ingress;
mod lru;
mod merged;
mod mss;
mod on_link;
mod on_link_errors;
mod on_link_ports;
mod on_link_tables;
mod own_connections;
mod own_datagrams;
mod own_flows;
mod parse;
mod path_mtu;
mod paths;
mod pmtu;
mod port_remap;
mod proof;
mod replaced;
mod retry;
mod schedulers;
mod targets;
mod tunnel_header;
mod uplink_bridge;
mod withdrawn;
