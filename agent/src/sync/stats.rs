//! The traffic of the whole cluster, asked for at any node.

use super::context::Context;
use super::wire::proto::ClusterStatsRequest;
use lb_core::ids::NodeId;
use lb_core::merge::{Answer, merge};
use lb_core::report::Stats;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

/// For an agent to answer its manager's agent.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// For a manager's agent to answer for all; its own deadline and the way there and back.
const FORWARD_WITHIN: Duration = Duration::from_secs(2);

/// Asks all agents for their traffic.
#[derive(Clone)]
pub struct ClusterStats(Context);

impl ClusterStats {
    pub(super) fn new(context: Context) -> Self {
        Self(context)
    }

    /// The sum over all nodes; those that did not answer in time are named in
    /// [`Stats::missing`]. Takes at most some 3 s.
    pub async fn collect(&self) -> Stats {
        if self.0.info.borrow().manager {
            return self.ask_agents().await;
        }
        match self.ask_manager().await {
            Some(stats) => stats,
            None => self.sum(Vec::new(), ANSWER_WITHIN).await,
        }
    }

    /// On a manager: everyone is connected here.
    pub(super) async fn ask_agents(&self) -> Stats {
        self.sum(self.0.seats.ask_all(), ANSWER_WITHIN).await
    }

    async fn ask_manager(&self) -> Option<Stats> {
        let table = self.0.peers.table().borrow().clone();
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
        let view = self.0.views.borrow().snapshot.clone();
        let info = self.0.info.borrow().clone();
        let mut silent: BTreeMap<NodeId, String> = view
            .nodes
            .iter()
            .map(|(id, node)| (id.clone(), node.hostname.clone()))
            .collect();
        let mut answers = Vec::new();
        if let Ok(stats) = timeout_at(deadline, (self.0.local_stats)()).await {
            silent.remove(&info.id);
            answers.push(Answer {
                hostname: info.hostname.clone(),
                stats,
            });
        }
        for (node, answer) in asked {
            if let Ok(Ok(stats)) = timeout_at(deadline, answer).await {
                let hostname = silent.remove(&node).unwrap_or_else(|| node.0.clone());
                answers.push(Answer { hostname, stats });
            }
        }
        merge(answers, silent.into_values().collect())
    }
}
