//! Context shared by all parts of `sync`: ends of channels, and facts about this agent.

use super::budget::Budgets;
use super::peers::Peers;
use super::problems::Problems;
use super::session_registry::SessionRegistry;
use super::single_flight::SingleFlight;
use super::view_store::{Input, PublishedView};
use crate::certs::CertificateState;
use crate::watch::info::Info;
use futures_util::future::BoxFuture;
use lb_core::ids::TaskId;
use lb_core::overlay::LocalEvent;
use lb_core::report::Stats;
use lb_core::snapshot::LocalHealth;
use lb_core::token::TokenKeys;
use prost::bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{Notify, broadcast, mpsc, watch};

/// Reads this node's own traffic.
pub type LocalStats = Arc<dyn Fn() -> BoxFuture<'static, Stats> + Send + Sync>;

/// Local health of this node's own tasks.
pub(super) type OwnHealth = Arc<Vec<(TaskId, LocalHealth)>>;

/// Datapath and token keys of this node, as announced to other agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnDatapath {
    /// Its name, as `--datapath` has it; empty until the datapath is loaded.
    pub(super) datapath: &'static str,
    /// Keys of this node's tunnel tokens.
    pub(super) token_keys: Option<TokenKeys>,
}

/// Cheap to clone; each part keeps one.
#[derive(Clone)]
pub(super) struct Context {
    /// Distinguishes this run of the agent from others.
    pub(super) epoch: u64,
    /// TCP port of all agents.
    pub(super) port: u16,
    /// This host's place in the Swarm.
    pub(super) info: watch::Receiver<Arc<Info>>,
    /// This node's datapath and token keys.
    pub(super) own_datapath: watch::Receiver<OwnDatapath>,
    /// This node's certificate.
    pub(super) certificate: watch::Receiver<CertificateState>,
    /// The view in force.
    pub(super) views: watch::Receiver<Arc<PublishedView>>,
    /// Inputs of the view store.
    pub(super) view_store: mpsc::Sender<Input>,
    /// This node's own container events.
    pub(super) events: broadcast::Sender<LocalEvent>,
    /// What they came to. Always newer than the events that were not received yet.
    pub(super) own_health: watch::Receiver<OwnHealth>,
    /// Asks for the Swarm's lists to be read again.
    pub(super) resync: Arc<Notify>,
    /// Agents with a session to this one.
    pub(super) sessions: Arc<SessionRegistry>,
    /// Sessions to other managers.
    pub(super) peers: Peers,
    /// This node's traffic.
    pub(super) local_stats: LocalStats,
    /// Message budgets of the nodes.
    pub(super) budgets: Arc<Budgets>,
    /// Counters of all nodes, for other agents.
    pub(super) cluster_stats: Arc<SingleFlight<Bytes>>,
    /// For the operator.
    pub(super) problems: Problems,
}
