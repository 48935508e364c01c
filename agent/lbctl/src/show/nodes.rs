//! `lbctl nodes`.

use super::{NONE, address};
use crate::table::{self, numbers, words};
use lb_core::model::snapshot::NodeState;
use lb_core::report::{NodeReport, Nodes};

pub(crate) fn text(nodes: &Nodes) -> String {
    let columns = [
        words("HOSTNAME"),
        words("ADDRESS"),
        words("STATE"),
        words("AVAILABILITY"),
        words("ROLE"),
        words("AGENT"),
        numbers("TASKS"),
    ];
    let rows: Vec<Vec<String>> = nodes.nodes.iter().map(row).collect();
    table::text(&columns, &rows, None)
}

fn row(node: &NodeReport) -> Vec<String> {
    let agent = match node.agent {
        Some(true) => "connected",
        Some(false) => "missing",
        None => NONE,
    };
    // `docker node ls` marks the node it runs on in the same way.
    let mark = if node.this { " *" } else { "" };
    vec![
        format!("{}{mark}", node.hostname),
        address(node.address),
        state(node.state).to_owned(),
        if node.draining { "drain" } else { "active" }.to_owned(),
        if node.manager { "manager" } else { "worker" }.to_owned(),
        agent.to_owned(),
        node.tasks.to_string(),
    ]
}

fn state(state: NodeState) -> &'static str {
    match state {
        NodeState::Unknown => "unknown",
        NodeState::Down => "down",
        NodeState::Ready => "ready",
        NodeState::Disconnected => "disconnected",
    }
}
