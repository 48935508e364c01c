//! What the suites and the laboratory are built from.

pub mod pattern;
pub mod who;
