//! What all parts of `sync` share: ends of channels, and who this agent is.

use super::hub::{Input, View};
use super::peers::Peers;
use super::problems::Problems;
use super::seats::Seats;
use crate::certs::Standing;
use crate::watch::info::Info;
use futures_util::future::BoxFuture;
use lb_core::ids::TaskId;
use lb_core::overlay::LocalEvent;
use lb_core::report::Stats;
use lb_core::snapshot::Sign;
use std::sync::Arc;
use tokio::sync::{Notify, broadcast, mpsc, watch};

/// Reads this node's own traffic.
pub type LocalStats = Arc<dyn Fn() -> BoxFuture<'static, Stats> + Send + Sync>;

/// Signs of this node's own tasks.
pub(super) type OwnSigns = Arc<Vec<(TaskId, Sign)>>;

/// Cheap to clone; each part keeps one.
#[derive(Clone)]
pub(super) struct Context {
    /// Distinguishes this run of the agent from others.
    pub(super) epoch: u64,
    /// TCP port of all agents.
    pub(super) port: u16,
    /// This host's place in the Swarm.
    pub(super) info: watch::Receiver<Arc<Info>>,
    /// By what this node serves, as `--datapath` names it; empty until that is decided.
    pub(super) serving: watch::Receiver<&'static str>,
    /// This node's certificate.
    pub(super) standing: watch::Receiver<Standing>,
    /// The view in force.
    pub(super) views: watch::Receiver<Arc<View>>,
    /// To the keeper of the view.
    pub(super) hub: mpsc::Sender<Input>,
    /// This node's own container events.
    pub(super) events: broadcast::Sender<LocalEvent>,
    /// What they came to. Always newer than the events that were not received yet.
    pub(super) own_signs: watch::Receiver<OwnSigns>,
    /// The Swarm's lists should be read again.
    pub(super) nudge: Arc<Notify>,
    /// Agents that hold a session to this one.
    pub(super) seats: Arc<Seats>,
    /// Sessions to other managers.
    pub(super) peers: Peers,
    /// This node's traffic.
    pub(super) local_stats: LocalStats,
    /// For the operator.
    pub(super) problems: Problems,
}
