//! `lbctl flows`.

use super::NONE;
use crate::human::uptime;
use crate::table::{self, numbers, words};
use lb_core::report::{FlowReport, Flows};
use std::time::Duration;

pub(crate) fn text(flows: &Flows, width: Option<usize>) -> String {
    if flows.flows.is_empty() && flows.more == 0 {
        return "no flows\n".to_owned();
    }
    let mut text = {
        let columns = [
            words("CLIENT"),
            words("FRONTEND"),
            words("SERVICE").spare(3),
            words("TASK"),
            words("NODE").spare(1),
            words("STATE"),
            numbers("IDLE"),
            words("THROUGH").spare(2),
        ];
        let rows: Vec<Vec<String>> = flows.flows.iter().map(row).collect();
        table::text(&columns, &rows, width)
    };
    if flows.more > 0 {
        text.push_str(&format!(
            "\n{} more, less recently used (see: --limit)\n",
            flows.more
        ));
    }
    text
}

fn row(flow: &FlowReport) -> Vec<String> {
    let or_none = |name: &Option<String>| name.clone().unwrap_or_else(|| NONE.to_owned());
    let client = match flow.presented {
        Some(presented) => format!("{} (as {presented})", flow.client),
        None => flow.client.to_string(),
    };
    vec![
        client,
        format!("{}/{}", flow.frontend, flow.proto.as_str()),
        or_none(&flow.service),
        or_none(&flow.task),
        or_none(&flow.node),
        flow.state.as_str().to_owned(),
        uptime(Duration::from_secs(flow.idle_s)),
        flow.through
            .clone()
            .unwrap_or_else(|| "this node".to_owned()),
    ]
}
