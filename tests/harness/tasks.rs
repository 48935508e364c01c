//! Tasks of services, as the manager sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use crate::service::{ApiTask, Task};
use crate::swarm::Swarm;
use crate::wait;

/// An engine to which a task comes before its node's address in the task's network rejects it after
/// 30 s, for the Swarm to start another (<https://github.com/moby/moby/pull/37604>).
const REJECTED: Duration = Duration::from_secs(45);

impl Swarm {
    /// The tasks of the service with this name or id.
    pub fn tasks(&self, service: &str) -> Result<Vec<Task>> {
        let manager = self.manager()?;
        let id = manager.api(&format!("/services/{service}"))?;
        let id = text(&id, "/ID").with_context(|| format!("service {service} has no id"))?;
        let names = self.node_names()?;
        let tasks = ApiTask::parse_all(manager.api("/tasks")?)?;
        let own = tasks.into_iter().filter(|task| task.service == id);
        Ok(own
            .map(|task| {
                let node = names.get(&task.node).cloned().unwrap_or_default();
                task.on_node(node)
            })
            .collect())
    }

    /// Waits until exactly `count` tasks run and none of the others does any more: for `timeout`, and
    /// as long as the engine may need to start a task once more.
    pub fn wait_for_tasks(
        &self,
        service: &str,
        count: usize,
        timeout: Duration,
    ) -> Result<Vec<Task>> {
        let mut last = Vec::new();
        let what = format!("{count} running tasks of {service}");
        let result = wait::until(&what, timeout + REJECTED, || {
            last = self.tasks(service)?;
            let (wanted, old): (Vec<_>, Vec<_>) = last
                .iter()
                .cloned()
                .partition(|task| task.desired == "running");
            let settled = wanted.len() == count
                && wanted.iter().all(Task::is_running)
                && old.iter().all(|task| task.state != "running");
            Ok(settled.then_some(wanted))
        });
        result.map_err(|error| {
            let seen = last
                .iter()
                .map(|task| format!("\n  {task:?}"))
                .collect::<String>();
            let logs = self.engine_logs(&last);
            anyhow!("{error:#}; there are:{seen}{logs}")
        })
    }

    /// The last log lines of the engines of tasks that are not in their desired state.
    fn engine_logs(&self, tasks: &[Task]) -> String {
        let stuck = tasks
            .iter()
            .filter(|task| (task.state == "running") != (task.desired == "running"))
            .map(|task| task.node.as_str())
            .collect::<BTreeSet<_>>();
        stuck
            .into_iter()
            .filter_map(|name| self.node(name).ok())
            .map(|node| format!("\nthe engine of {}:\n{}", node.name, node.engine_log()))
            .collect()
    }

    /// Host names of the nodes by their ids in the Swarm.
    fn node_names(&self) -> Result<BTreeMap<String, String>> {
        let nodes = self.manager()?.api("/nodes")?;
        let nodes = nodes.as_array().cloned().unwrap_or_default();
        let name = |node: &Value| Some((text(node, "/ID")?, text(node, "/Description/Hostname")?));
        Ok(nodes.iter().filter_map(name).collect())
    }
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}
