//! Watchers of this host's engine: about the Swarm where it is a manager, and about
//! this host's own tasks everywhere.
//!
//! * [`info`]: this host's node and role in the Swarm (polled).
//! * [`swarm`]: services, tasks and nodes, on managers; the view follows from the lists, events only cause them
//!   to be read.
//! * [`local`]: own containers, their addresses on `docker_gwbridge`, their events.
//! * [`events`]: the one event stream that feeds both.
//! * `container`: the task of a container.
//! * [`engine_restart`]: an engine that starts again, and ends the tasks that it finds.
//! * `engine_api`: constants of the engine's API on which [`docker`] and the engine filter agree.
//! * [`docker`], [`model`], [`convert`]: the socket, its JSON, and the conversion to types of `lb_core`.
//!
//! Nothing here knows of other agents (`crate::sync` knows this module, not the other way
//! round) nor of the datapath. A source that fails sends no view: no error ever turns into
//! "there are no tasks".

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

use lb_core::model::ids::{NodeId, TaskId};
use lb_core::model::node::TaskAddress;
use lb_core::model::snapshot::Snapshot;
use lb_core::view::overlay::LocalEvent;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// News of the Swarm from this host's engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineUpdate {
    /// A whole view.
    View(Snapshot),
    /// Error of the engine, in one message. The last view stays in force.
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

/// Facts about this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalFacts {
    /// Id of its node; empty while it is in no Swarm.
    pub id: NodeId,
    /// Its host name.
    pub hostname: String,
    /// Its address towards other nodes, as its engine sees it.
    pub address: Option<Ipv4Addr>,
    /// Is it a manager now?
    pub manager: bool,
    /// Is it a member of a Swarm?
    pub member: bool,
    /// Its running tasks' addresses on `docker_gwbridge`.
    pub tasks: BTreeMap<TaskId, TaskAddress>,
    /// Why the agent has nothing to do here at present, if so.
    pub message: Option<String>,
}
