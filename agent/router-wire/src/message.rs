//! What agent and router say to each other.

use crate::certificates::Certificates;
use crate::stats::Stats;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// From the agent to the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToRouter {
    /// First message.
    Hello {
        /// Version of the agent.
        version: String,
        /// Host name of the node.
        hostname: String,
        /// The agent takes [`ToAgent::Stats`].
        stats: bool,
    },
    /// The router shall accept on these sockets, which come along in this order ([`crate::fds`]), and on no others.
    Listeners(Vec<Listener>),
    /// All routed services.
    View(View),
    /// Services that changed.
    Change(Change),
    /// Keys of tasks that are being stopped, ahead of the change that says so.
    Leaving(Vec<u64>),
}

/// From the router to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToAgent {
    /// First message.
    Hello {
        /// Version of the router.
        version: String,
        /// Its threads that accept connections: each takes one socket of an address and port, or more.
        workers: u32,
        /// The sockets on which it accepts already, which come along in this order ([`crate::fds`]). The agent before
        /// this one made them.
        listeners: Vec<Listener>,
    },
    /// The view of this number is in force.
    Applied(u64),
    /// A change did not follow the view that the router has: it needs a whole one.
    Resend,
    /// What has changed of what it counts, once a second; only to an agent that takes it.
    Stats(Stats),
    /// Certificates that it can show, once it knows them and whenever others have taken their place; only to an agent that
    /// takes [`Self::Stats`].
    Certificates(Certificates),
}

/// A listening TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What is served on it.
    pub entry_point: EntryPoint,
    /// Number of the thread that accepts on it, from 0 on.
    pub worker: u32,
}

/// What is served on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// HTTP.
    Http,
    /// HTTP by TLS.
    Https,
    /// Something of a later version: nothing is accepted on it.
    Unknown,
}

/// All routed services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Its number.
    pub version: u64,
    /// Services with labels of routes.
    pub services: Vec<Service>,
}

/// What changed between two views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The number of the view that it changes.
    pub from: u64,
    /// The number of the view that follows.
    pub to: u64,
    /// Services that are new or differ, whole.
    pub services: Vec<Service>,
    /// Ids of services that are gone.
    pub removed: Vec<String>,
}

/// A service with labels of routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made, in nanoseconds since 1970; 0 where that is not known.
    pub created_ns: u64,
    /// Its labels of the families that declare routes.
    pub labels: BTreeMap<String, String>,
    /// Its tasks that may hold connections.
    pub tasks: Vec<Task>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The key by which the datapath knows it.
    pub key: u64,
    /// Its id.
    pub id: String,
    /// The address at which processes of this node reach its ports.
    pub address: IpAddr,
    /// Host name of its node.
    pub node: String,
    /// It runs on this node.
    pub local: bool,
    /// It gets no new requests.
    pub leaving: bool,
}
