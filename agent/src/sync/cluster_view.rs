//! The cluster as the main loop sees it: receivers of what the watchers and the sessions learn.

use super::stats::ClusterStats;
use super::view_store::SourceState;
use crate::certs::CertificateState;
use crate::watch::LocalFacts;
use lb_core::model::ids::NodeId;
use lb_core::model::snapshot::Snapshot;
use lb_core::report::Problem;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The view of the Swarm and of this node's part in it, kept up to date until dropped.
pub struct ClusterView {
    /// The view, with local events applied. Not `complete` until a whole view was read.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// This node.
    pub local: watch::Receiver<Arc<LocalFacts>>,
    /// Source of the view.
    pub source: watch::Receiver<SourceState>,
    /// Nodes whose agents are connected to this one; on managers.
    pub agents: watch::Receiver<BTreeSet<NodeId>>,
    /// This node's certificate.
    pub certificate: watch::Receiver<CertificateState>,
    /// Problems between the agents.
    pub problems: watch::Receiver<BTreeSet<Problem>>,
    /// Traffic of all nodes.
    pub cluster_stats: ClusterStats,
    /// Watchers and sessions; they end with the view.
    pub(super) tasks: JoinSet<()>,
}
