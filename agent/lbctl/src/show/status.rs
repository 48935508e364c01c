//! `lbctl status`.

use super::address;
use crate::human::{bytes, plural, uptime};
use crate::out::harmless;
use lb_core::report::{RouterReport, RouterStatus, Status, TableReport};
use std::time::Duration;

pub(crate) fn text(status: &Status) -> String {
    let up = uptime(Duration::from_secs(status.uptime_s));
    let swarm = if status.connected {
        format!("connected to {}", status.source)
    } else {
        format!(
            "NOT CONNECTED to {}: the last view of the Swarm stays in force",
            status.source
        )
    };
    let kernel = if status.in_sync {
        "in sync"
    } else {
        "NOT IN SYNC: it does not hold all that the Swarm asks for"
    };
    let problems = match status.problems {
        0 => "none".to_owned(),
        n => format!("{n} (see: lbctl check)"),
    };
    let mut lines = vec![
        (
            "node",
            format!("{} {}", status.hostname, address(status.address)),
        ),
        ("agent", format!("{}, up {up}", status.version)),
        ("swarm", swarm),
        ("datapath", status.datapath.clone()),
    ];
    for hook in &status.hooks {
        lines.push(("", format!("{} {} ({})", hook.link, hook.hook, hook.mode)));
    }
    if let Some(router) = &status.router {
        lines.push(("router", routers(router)));
    }
    let services = plural(status.services, "service");
    lines.extend([
        ("kernel", kernel.to_owned()),
        (
            "serving",
            format!("{services}, {}", plural(status.tasks, "task")),
        ),
    ]);
    for (index, table) in status.tables.iter().enumerate() {
        let what = if index == 0 { "tables" } else { "" };
        let TableReport {
            flows,
            taken,
            places,
            full,
            ..
        } = table;
        lines.push((what, format!("{taken} of {places} {flows} (full: {full})")));
    }
    if let Some(memory) = status.map_memory {
        let memory = bytes(memory);
        lines.push(("memory", format!("{memory} of the kernel's for maps")));
    }
    lines.push(("problems", problems));
    lines
        .into_iter()
        .map(|(what, text)| format!("{what:<11}{}\n", harmless(text)))
        .collect()
}

/// The HTTP routers that are connected, and how far each is.
fn routers(router: &RouterStatus) -> String {
    let applied = |report: &RouterReport| match (report.applied, router.view) {
        (None, _) => "no view applied".to_owned(),
        (Some(applied), Some(view)) if applied != view => {
            format!("view {applied} applied, of {view}")
        }
        (Some(applied), _) => format!("view {applied} applied"),
    };
    let connected = router.connected.iter();
    let connected: Vec<String> = connected
        .map(|report| format!("{}, {}", report.version, applied(report)))
        .collect();
    match connected.as_slice() {
        [] => "none connected".to_owned(),
        connected => format!("connected ({})", connected.join("; ")),
    }
}
