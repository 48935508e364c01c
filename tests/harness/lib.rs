//! The library of the suites and of the laboratory.
//!
//! From the bottom up: namespaces ([`netns`]), a network of them ([`topology`]),
//! a Swarm on it ([`swarm`]), clients ([`client`], [`traffic`]). Whatever is made
//! has an owner that removes it: guards in a process, and [`teardown`], driven by
//! the laboratory's directory, for what must outlive one.

pub mod acceptance;
pub mod agents;
pub mod beside;
pub mod cable_losses;
pub mod certificate;
pub mod cgroups;
pub mod client;
pub mod containers;
pub mod daemon;
mod engine;
pub mod forwarding;
mod fresh;
pub mod guards;
pub mod image;
pub mod lab_dir;
pub mod netns;
pub mod node;
pub mod outcome;
pub mod packet_socket;
pub mod pattern;
mod preflight;
pub mod procs;
pub mod quick;
pub mod reaper;
pub mod routed;
pub mod service;
pub mod shared;
pub mod shell;
pub mod slow;
pub mod swarm;
mod tasks;
pub mod teardown;
pub mod topology;
pub mod traffic;
pub mod wait;
pub mod who;

pub mod xdp;
