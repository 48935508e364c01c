//! What holds for every packet, not only for those of the fixtures: checked on random
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
mod alias;
mod checksum;
mod faults;
mod flows;
mod ingress;
mod later_pieces;
mod mss;
mod parse;
mod paths;
mod proof;
mod schedulers;
