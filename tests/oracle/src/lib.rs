//! Assertions for any frames, tables and calls, as functions from bytes: the fuzzer
//! (`cargo xtask fuzz`) looks for bytes that break it, ordinary tests replay what it found.
//!
//! The bytes are read as a story: two nodes with their tables, then frames, calls and changes,
//! one after the other. [`Arbitrary`] makes the most of them, so almost every story is about
//! frames that are valid in most bytes, with addresses and ports that the tables know.
//! An oracle panics where something does not hold.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by panicking"
)]

mod claims;
mod frame;
mod hook;
mod host;
mod labels;
mod names;
mod parse;
mod protocol;
mod routes;
mod sums;
mod tables;
mod world;

pub use protocol::protocol;

use arbitrary::{Arbitrary, Unstructured};

/// Anything as a frame: the parsers agree with etherparse, and stay within the frame.
pub fn parser(bytes: &[u8]) {
    parse::raw(bytes);
    let mut story = Unstructured::new(bytes);
    if let Ok(frame) = frame::Frame::arbitrary(&mut story) {
        parse::raw(&frame.bytes());
    }
}

/// Anything as labels of services: what is served of them is bounded and nobody else's, and a
/// restriction stays one.
pub fn labels(bytes: &[u8]) {
    let mut story = Unstructured::new(bytes);
    // Bytes that end early ask for nothing.
    let _ = labels::ask(&mut story);
}

/// Anything as labels that declare HTTP routes, and as requests: one table of routes for all, and what keeps strangers
/// out stays.
pub fn routes(bytes: &[u8]) {
    let mut story = Unstructured::new(bytes);
    // Bytes that end early ask for nothing.
    let _ = routes::ask(&mut story);
}

/// A story of two nodes: what they decide about frames and calls.
pub fn decision(bytes: &[u8]) {
    let mut story = Unstructured::new(bytes);
    // Bytes that end early are no story.
    let _ = world::run_story(&mut story);
}
