//! The back ends: each brings the desired state into its own form, and plans the operations towards it.
//!
//! ```text
//! Desired ── lower ──> State (want) ┐
//!                      State (have) ┴─ plan ──> [Op] ── execute ──> kernel
//! ```
//!
//! A back end is one folder here, which implements [`Backend`] and [`Operation`], and one in the agent, which
//! implements [`crate::kernel::Kernel`]. [`Applier`] drives all of them in one way.

mod applier;
pub mod ebpf;
mod execute;
pub mod ipvs;
mod task_addresses;

pub use applier::{Applied, Applier};
pub use execute::execute;
pub use task_addresses::{TaskAddressFamily, TaskAddresses};

use crate::desired::{Desired, Number};
use crate::model::ids::Key;
use crate::model::node::Serving;
use crate::model::port::Proto;
use crate::persistent::PersistentMap;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

/// The pure half of a back end.
pub trait Backend {
    /// All of swarmlb's objects in the kernel, as this back end has them: what is wanted, and what is there.
    type State;
    /// One operation on them.
    type Op: Operation<State = Self::State>;

    /// Brings `desired` into this back end's form, for [`Self::want`]. `have` lends allocations that are right
    /// already, so that nothing is replaced by its equal.
    fn lower(&mut self, desired: &Desired, have: &Self::State);

    /// The state that was wanted last.
    fn want(&self) -> &Self::State;

    /// The operations from `have` to `want`, in an order of which every prefix leaves the datapath consistent.
    fn plan(want: &Self::State, have: &Self::State, prune: Prune) -> Vec<Self::Op>;

    /// The published ports that are served while the kernel holds `have`.
    fn serving(&mut self, have: &Self::State) -> PersistentMap<Number, Serving>;

    /// May `task`, which runs on this node, hold flows while the kernel holds `have`?
    fn holds(have: &Self::State, task: Key) -> bool;

    /// The addresses by which processes of the node call the tasks of what was lowered last.
    fn task_addresses(&self) -> TaskAddresses {
        TaskAddresses::default()
    }

    /// The kernel was read: what was lowered step by step from an earlier state starts anew.
    fn restart(&mut self) {}

    /// All operations succeeded: lets `have` share with the wanted state what is equal in both, so that it is
    /// not compared again.
    fn share(&self, _have: &mut Self::State) {}
}

/// One operation of a plan: data, not code, and idempotent in the kernel. [`Display`] is the dry run.
pub trait Operation: Clone + Debug + Display {
    /// The state that it changes.
    type State;
    /// An object on which other operations build.
    type Object: Ord;

    /// What the operation makes of a state if it succeeds.
    fn apply_to(&self, state: &mut Self::State);

    /// The objects that are not as the plan has them if the operation fails.
    fn touches(&self) -> Vec<Self::Object>;

    /// The part of the operation that builds on no `failed` object, if there is one.
    fn possible(&self, failed: &BTreeSet<Self::Object>) -> Option<Cow<'_, Self>>;

    /// Is every service served without the operation?
    fn is_optional(&self) -> bool {
        false
    }

    /// A name that operations share which fail for one reason, so that it is reported once.
    fn cause(&self) -> Option<&'static str> {
        None
    }
}

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

/// The number of a published port that a back end names.
#[must_use]
pub fn number(port: &Port) -> Number {
    let proto = if port.proto == UDP {
        Proto::Udp
    } else {
        Proto::Tcp
    };
    (port.number.get(), proto)
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

#[test]
fn a_port_is_written_with_its_protocol() {
    let name = |number, proto| port_name(&port(number, proto));
    assert_eq!(name(8080, Proto::Tcp), "8080/tcp");
    assert_eq!(name(53, Proto::Udp), "53/udp");
}

#[cfg(test)]
pub(crate) mod strategies;
