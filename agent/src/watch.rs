//! Watchers of this host's engine: about the Swarm where it is a manager, and about
//! this host's own tasks everywhere.
//!
//! * [`info`]: who this host is in the Swarm (polled).
//! * [`swarm`]: services, tasks and nodes, on managers; the lists are the truth, events only say when to read them.
//! * [`local`]: own containers, their addresses on `docker_gwbridge`, what happens to them.
//! * [`events`]: the one event stream that feeds both.
//! * `container`: whose task a container is.
//! * [`engine_restart`]: an engine that starts again, and ends what it finds.
//! * `engine_api`: constants of the engine's API on which [`docker`] and the engine filter agree.
//! * [`docker`], [`model`], [`convert`]: the socket, its JSON, and the way into `lb_core`'s words.
//!
//! Nothing here knows of other agents (`crate::sync` knows this module, not the other way
//! round) nor of the datapath. A source that fails keeps quiet about what it does not
//! know: no error ever turns into "there are no tasks".

mod container;
pub mod convert;
pub mod docker;
pub(crate) mod engine_api;
pub mod engine_restart;
pub mod events;
pub mod info;
pub mod local;
pub mod model;
pub mod poll_interval;
pub mod signals;
pub mod swarm;

use lb_core::ids::{NodeId, TaskId};
use lb_core::node::TaskAddress;
use lb_core::overlay::LocalEvent;
use lb_core::snapshot::Snapshot;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// News of the Swarm from this host's engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineUpdate {
    /// A whole view.
    View(Snapshot),
    /// The engine could not tell, and why, in one message. The last view stays in force.
    Trouble(String),
}

/// News of this host's own tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalUpdate {
    /// Addresses of the running tasks on `docker_gwbridge`. Tasks without one are not listed.
    Tasks(BTreeMap<TaskId, TaskAddress>),
    /// Something happened to a task's container.
    Event(LocalEvent),
}

/// What is known about this host itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalFacts {
    /// Its id in the Swarm; empty while it is in none.
    pub id: NodeId,
    /// Its host name.
    pub hostname: String,
    /// Its address towards other nodes, as its engine sees it.
    pub address: Option<Ipv4Addr>,
    /// A manager now?
    pub manager: bool,
    /// A member of a Swarm?
    pub member: bool,
    /// Its running tasks' addresses on `docker_gwbridge`.
    pub tasks: BTreeMap<TaskId, TaskAddress>,
    /// Why the agent has nothing to do here at present, if so.
    pub message: Option<String>,
}
