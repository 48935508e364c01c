//! Counters of the whole cluster, from any node.

use super::local_stats::OwnStats;
use super::peer_table::PeerStates;
use super::session_registry::SessionRegistry;
use super::single_flight::SingleFlight;
use super::view_store::PublishedView;
use crate::watch::info::Info;
use futures_util::FutureExt;
use lb_core::model::ids::NodeId;
use lb_core::report::Stats;
use lb_core::report::aggregate::{Answer, aggregate};
use lb_wire::proto::ClusterStatsRequest;
use prost::bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// Time limit for an agent to answer its manager's agent.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Time limit for a manager's agent to answer for all: until its computation begins, its own limit, and the round trip.
const FORWARD_WITHIN: Duration = Duration::from_secs(3);

/// Queries all agents for their counters.
#[derive(Clone)]
pub struct ClusterStats {
    /// This host's place in the Swarm.
    pub(super) info: watch::Receiver<Arc<Info>>,
    /// The view, with the Swarm's nodes.
    pub(super) views: watch::Receiver<Arc<PublishedView>>,
    /// Sessions to managers' agents, which are asked on a worker.
    pub(super) peers: watch::Receiver<PeerStates>,
    /// Sessions of other agents, which are asked on a manager.
    pub(super) registry: Arc<SessionRegistry>,
    /// This node's counters.
    pub(super) own_stats: OwnStats,
    /// Answers for other agents.
    pub(super) answers: Arc<SingleFlight<Bytes>>,
}

impl ClusterStats {
    /// The sum over all nodes; those that did not answer in time are named in
    /// [`Stats::missing`]. Takes at most some 4 s.
    pub async fn collect(&self) -> Stats {
        if self.info.borrow().manager {
            return self.ask_agents().await;
        }
        match self.ask_manager().await {
            Some(stats) => stats,
            None => self.sum(Vec::new(), ANSWER_WITHIN).await,
        }
    }

    /// As JSON; asked once for all other agents that want it within a second, however many do.
    pub(super) async fn for_others(&self) -> Bytes {
        let asks = self.clone();
        let work = move || {
            let answer = async move {
                // Serialization can't fail: the counters have no value without a JSON form.
                serde_json::to_vec(&asks.ask_agents().await).unwrap_or_default()
            };
            answer.map(Bytes::from).boxed()
        };
        self.answers.ask(work).await
    }

    /// On a manager: everyone is connected here.
    async fn ask_agents(&self) -> Stats {
        self.sum(self.registry.ask_all(), ANSWER_WITHIN).await
    }

    async fn ask_manager(&self) -> Option<Stats> {
        let table = self.peers.borrow().clone();
        for mut client in table.into_values().filter_map(|peer| peer.client) {
            let call = client.cluster_stats(ClusterStatsRequest {});
            match timeout(FORWARD_WITHIN, call).await {
                Ok(Ok(reply)) => {
                    if let Ok(stats) = serde_json::from_slice(&reply.into_inner().json) {
                        return Some(stats);
                    }
                }
                Ok(Err(status)) => {
                    tracing::debug!(reason = status.message(), "manager gave no traffic");
                }
                // One deadline is all the time that the caller has.
                Err(_) => return None,
            }
        }
        None
    }

    async fn sum(&self, asked: Vec<(NodeId, oneshot::Receiver<Stats>)>, within: Duration) -> Stats {
        let deadline = Instant::now() + within;
        let view = self.views.borrow().snapshot.clone();
        let info = self.info.borrow().clone();
        let mut silent: BTreeMap<NodeId, String> = view
            .nodes
            .iter()
            .map(|(id, node)| (id.clone(), node.hostname.clone()))
            .collect();
        let mut answers = Vec::new();
        if let Ok(Some(stats)) = timeout_at(deadline, self.own_stats.read()).await {
            silent.remove(&info.id);
            answers.push(Answer {
                hostname: info.hostname.clone(),
                stats,
            });
        }
        for (node, answer) in asked {
            if let Ok(Ok(stats)) = timeout_at(deadline, answer).await {
                let hostname = silent.remove(&node).unwrap_or_else(|| node.to_string());
                answers.push(Answer { hostname, stats });
            }
        }
        aggregate(answers, silent.into_values().collect())
    }
}
