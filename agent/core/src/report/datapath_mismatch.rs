//! Detects nodes with different datapaths, which can't read each other's tunnel packets.

use crate::model::ids::NodeId;
use crate::model::snapshot::{NodeState, Snapshot};
use crate::report::Problem;

/// Limit on nodes that the message names; it gives the number of further ones.
const NAMED: usize = 3;

/// A problem if ready nodes have a datapath other than `datapath`, which is that of the node `here`.
#[must_use]
pub fn datapath_mismatch(snapshot: &Snapshot, here: &NodeId, datapath: &str) -> Option<Problem> {
    let others: Vec<&str> = snapshot
        .nodes
        .iter()
        .filter(|(id, node)| *id != here && node.state == NodeState::Ready)
        .filter(|(_, node)| node.datapath.as_deref().is_some_and(|by| by != datapath))
        .map(|(_, node)| node.hostname.as_str())
        .collect();
    let named = others.get(..NAMED).unwrap_or(&others);
    let more = match others.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let list = named.join(", ");
    (!others.is_empty()).then(|| Problem {
        object: "datapath".to_owned(),
        message: format!(
            "this node serves by {datapath}, and {list}{more} by another one: they don't reach each other's tasks; deploy the stack again with SWARMLB_DATAPATH set to the one that all nodes can"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::SwarmNode;

    fn node(hostname: &str, datapath: Option<&str>) -> (NodeId, SwarmNode) {
        let node = SwarmNode {
            hostname: hostname.into(),
            address: None,
            state: NodeState::Ready,
            manager: false,
            draining: false,
            datapath: datapath.map(str::to_owned),
            token_keys: None,
        };
        (hostname.into(), node)
    }

    fn said(nodes: &[(&str, Option<&str>)]) -> Option<String> {
        let snapshot = Snapshot {
            nodes: nodes.iter().map(|(name, by)| node(name, *by)).collect(),
            ..Snapshot::default()
        };
        datapath_mismatch(&snapshot, &"a".into(), "ebpf").map(|problem| problem.message)
    }

    #[test]
    fn nodes_that_serve_alike_or_do_not_say_are_no_problem() {
        assert_eq!(
            said(&[("a", Some("ipvs")), ("b", Some("ebpf")), ("c", None)]),
            None
        );
    }

    #[test]
    fn those_that_serve_otherwise_are_named() {
        let by = Some("ipvs");
        let one = said(&[("a", Some("ebpf")), ("b", by)]).unwrap();
        assert!(one.contains("and b by another one"), "{one}");
        let many = said(&[("b", by), ("c", by), ("d", by), ("e", by), ("f", by)]).unwrap();
        assert!(many.contains("and b, c, d and 2 more by"), "{many}");
    }

    #[test]
    fn a_node_that_is_down_serves_nobody() {
        let mut snapshot = Snapshot {
            nodes: [node("b", Some("ipvs"))].into(),
            ..Snapshot::default()
        };
        for node in snapshot.nodes.values_mut() {
            node.state = NodeState::Down;
        }
        assert_eq!(datapath_mismatch(&snapshot, &"a".into(), "ebpf"), None);
    }
}
