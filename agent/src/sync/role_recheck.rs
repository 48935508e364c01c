//! Tells when to ask the engine again for this host's role in the Swarm.

use super::view_store::SourceState;
use lb_core::model::ids::NodeId;
use lb_core::model::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Notifies `recheck` when the known role may be out of date: the Swarm has other managers, or the
/// source of the view is silent, as is the engine of a manager that was demoted.
pub(super) async fn run(
    mut snapshot: watch::Receiver<Arc<Snapshot>>,
    mut source: watch::Receiver<SourceState>,
    recheck: Arc<Notify>,
) {
    let mut known = BTreeSet::new();
    loop {
        let alive = tokio::select! {
            changed = snapshot.changed() => changed,
            changed = source.changed() => changed,
        };
        if alive.is_err() {
            return;
        }
        let managers: BTreeSet<NodeId> = {
            let snapshot = snapshot.borrow_and_update();
            let managers = snapshot.nodes.iter().filter(|(_, node)| node.manager);
            managers.map(|(id, _)| id.clone()).collect()
        };
        if managers != known || !source.borrow_and_update().connected {
            recheck.notify_one();
        }
        known = managers;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_core::model::snapshot::{NodeState, SwarmNode};
    use std::time::Duration;
    use tokio::time::timeout;

    fn nodes(managers: &[bool]) -> Arc<Snapshot> {
        let node = |(number, manager): (usize, &bool)| {
            let node = SwarmNode {
                hostname: String::new(),
                address: None,
                state: NodeState::Ready,
                manager: *manager,
                draining: false,
                datapath: None,
                token_keys: None,
            };
            (NodeId::from(number.to_string()), node)
        };
        Arc::new(Snapshot {
            nodes: managers.iter().enumerate().map(node).collect(),
            ..Snapshot::default()
        })
    }

    fn source(connected: bool) -> SourceState {
        SourceState {
            connected,
            ..SourceState::default()
        }
    }

    #[tokio::test]
    async fn other_managers_and_a_silent_source_cause_a_recheck_and_nothing_else_does() {
        let (snapshots, snapshot) = watch::channel(Arc::default());
        let (sources, told) = watch::channel(SourceState::default());
        let recheck = Arc::new(Notify::new());
        tokio::spawn(run(snapshot, told, recheck.clone()));
        let raised = async |expected: bool| {
            // What does not come can't be waited for.
            let patience = Duration::from_millis(if expected { 5000 } else { 50 });
            let raised = timeout(patience, recheck.notified()).await.is_ok();
            assert_eq!(raised, expected);
        };
        sources.send_replace(source(true));
        raised(false).await;
        snapshots.send_replace(nodes(&[true, false]));
        raised(true).await;
        snapshots.send_replace(nodes(&[true, false, false]));
        raised(false).await;
        snapshots.send_replace(nodes(&[true, true, false]));
        raised(true).await;
        sources.send_replace(source(false));
        raised(true).await;
        raised(false).await;
    }
}
