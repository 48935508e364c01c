//! A router process, the agent's end of its socket, and tasks that say what they got.

mod agent;
mod client;
mod task;

pub(crate) use agent::{Router, service};
pub(crate) use client::{Client, ask};
pub(crate) use task::Task;
