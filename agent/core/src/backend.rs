//! The back ends: each brings the desired state into its own form, and plans the steps towards it.
//!
//! ```text
//! Desired ── lower ──> State (want) ┐
//!                      State (have) ┴─ plan ──> [Op] ── apply ──> kernel
//! ```

pub mod ebpf;
pub mod ipvs;

use crate::port::Proto;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};

/// Is pruning (removal of objects that the desired state lacks) allowed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Yes: the view of the Swarm is complete.
    Allowed,
    /// No: the view is incomplete, and an object that it lacks may only be unknown.
    Withheld,
}

/// A published port, as both back ends name it.
fn port(number: u16, proto: Proto) -> Port {
    let proto = if proto == Proto::Udp { UDP } else { TCP };
    Port::new(Be16::new(number), proto)
}

/// A port as people write it: `8080/tcp`.
#[must_use]
pub fn port_name(port: &Port) -> String {
    let proto = match port.proto {
        TCP => "tcp",
        UDP => "udp",
        _ => "unknown",
    };
    format!("{}/{proto}", port.number.get())
}
