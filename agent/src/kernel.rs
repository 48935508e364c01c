//! The effects: everything that changes the kernel is below this module.
//!
//! It knows `lb_core`'s states and steps, and nothing of where they come from.

pub mod bpf;
