//! Shutdown on a signal: the Swarm's reason for it decides what is left in the kernel. And the one reason to end without a
//! signal: a directory of certificates that was removed.
//!
//! Service removed: nothing. Node drained, which stops the agent along with all other tasks: the
//! agent goes on for its grace period, so that this node learns where its tasks moved. Otherwise
//! another agent follows: the datapath goes on meanwhile, and is adopted.

use super::Agent;
use super::datapath;
use crate::certs::CertificateState;
use crate::error_chain::error_chain;
use crate::links::Changes;
use crate::sync::ClusterView;
use lb_core::model::ids::ServiceId;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Grace period on a drained node: less than `stop_grace_period` in deploy/stack.yml.
const DRAIN_GRACE: Duration = Duration::from_secs(25);
/// Grace period until the reason is known: the view may come later than the signal, and machines
/// are busy when nodes are drained.
const REASON_GRACE: Duration = Duration::from_secs(2);

impl Agent {
    /// Goes on reconciling until the reason of the shutdown is known, and on a drained node for
    /// the longer grace period.
    pub(super) async fn grace_period(&mut self, cluster: &mut ClusterView, changes: &mut Changes) {
        if let Some(reconciler) = &self.reconciler {
            reconciler.shut_down();
        }
        let told = Instant::now();
        let mut said = false;
        while self.reconciler.is_some() {
            let draining = draining(cluster);
            if draining && !said {
                tracing::info!("this node is being drained: going on for a while");
                said = true;
            }
            let end = told + if draining { DRAIN_GRACE } else { REASON_GRACE };
            tokio::select! {
                wake = self.wait(cluster, changes) => self.handle(wake, cluster).await,
                () = sleep_until(end) => return,
            }
        }
    }

    /// Was the agent's own service removed? The view says so seconds before the signal comes.
    pub(super) fn removed(&self, cluster: &ClusterView) -> bool {
        let Some(id) = self.settings.service.as_deref().filter(|id| !id.is_empty()) else {
            return false;
        };
        let snapshot = cluster.snapshot.borrow();
        snapshot.complete
            && snapshot
                .services
                .get(&ServiceId::from(id))
                .is_none_or(|service| service.removed)
    }

    /// Removes every object of swarmlb from the kernel, once.
    pub(super) fn clean(&mut self) {
        if self.reconciler.take().is_none() {
            return;
        }
        match datapath::clean(&self.settings.bpffs.bpffs, None) {
            Ok(()) => tracing::info!(
                "swarmlb was removed from the Swarm: nothing of it is left in the kernel"
            ),
            Err(error) => tracing::error!(
                error = error_chain(&error),
                "clean-up failed; run `swarmlb clean`"
            ),
        }
    }

    /// The last step before the agent ends: the datapath stays, unless the service was removed.
    pub(super) fn shut_down(&mut self, cluster: &ClusterView) {
        if self.removed(cluster) {
            self.clean();
        }
        if self.reconciler.is_some() {
            tracing::info!("stopping; the datapath goes on serving what it knows");
        }
    }
}

/// Waits until the directory of the node certificate was removed; the sentence that says so.
pub(super) async fn certificates_removed(
    certificate: &mut watch::Receiver<CertificateState>,
) -> String {
    if let Ok(state) = certificate.wait_for(|state| state.removed).await {
        return state.problem.clone().unwrap_or_default();
    }
    // Nobody looks at it any more.
    std::future::pending().await
}

/// Is this node drained, so that it runs no tasks and no agent either?
fn draining(cluster: &ClusterView) -> bool {
    let snapshot = cluster.snapshot.borrow();
    let own = snapshot.nodes.get(&cluster.local.borrow().id);
    own.is_some_and(|node| node.draining)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_directory_of_certificates_that_was_removed_ends_the_agent() {
        let moment = Duration::from_millis(50);
        let (out, mut certificate) = watch::channel(CertificateState::default());
        out.send_modify(|state| state.problem = Some("a file is missing".to_owned()));
        let ended = tokio::time::timeout(moment, certificates_removed(&mut certificate)).await;
        assert!(ended.is_err());
        out.send_modify(|state| {
            state.problem = Some("it was removed".to_owned());
            state.removed = true;
        });
        let said = certificates_removed(&mut certificate).await;
        assert_eq!(said, "it was removed");

        let (out, mut certificate) = watch::channel(CertificateState::default());
        drop(out);
        let ended = tokio::time::timeout(moment, certificates_removed(&mut certificate)).await;
        assert!(
            ended.is_err(),
            "nobody looks at certificates outside of a Swarm"
        );
    }
}
