//! A router process, the agent's end of its socket, and tasks that say what they got.

#![allow(dead_code, unused_imports, reason = "each of the targets uses a part")]

mod agent;
mod certificates;
mod client;
mod http2;
mod session;
mod task;

pub(crate) use agent::{Router, service};
pub(crate) use certificates::certificate;
pub(crate) use client::{Answer, Client, ask};
pub(crate) use http2::get as get_over_http2;
pub(crate) use task::Task;
