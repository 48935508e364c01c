//! What a test creates in a Swarm, owned by the test.

use std::time::Duration;

use anyhow::Result;

use crate::service::Task;
use crate::swarm::Swarm;

/// A service that is removed with this guard.
#[derive(Debug)]
pub struct Service<'a> {
    pub(crate) swarm: &'a Swarm,
    /// The service's id.
    pub id: String,
}

impl Service<'_> {
    /// See [`Swarm::tasks`].
    pub fn tasks(&self) -> Result<Vec<Task>> {
        self.swarm.tasks(&self.id)
    }

    /// See [`Swarm::wait_for_tasks`].
    pub fn wait_for_tasks(&self, count: usize, timeout: Duration) -> Result<Vec<Task>> {
        self.swarm.wait_for_tasks(&self.id, count, timeout)
    }

    /// `docker service update options… service`, without waiting for its end.
    pub fn update(&self, options: &[&str]) -> Result<String> {
        let fixed = ["service", "update", "--detach", "--no-resolve-image"];
        let arguments: Vec<_> = fixed
            .iter()
            .chain(options)
            .chain([&self.id.as_str()])
            .copied()
            .collect();
        self.swarm.manager()?.docker(&arguments)
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        // It may be gone: tests remove services too.
        let _ = self
            .swarm
            .manager()
            .and_then(|node| node.docker(&["service", "rm", &self.id]));
    }
}

/// A stack that is removed with this guard.
#[derive(Debug)]
pub struct StackGuard<'a> {
    pub(crate) swarm: &'a Swarm,
    pub(crate) name: &'a str,
}

impl Drop for StackGuard<'_> {
    fn drop(&mut self) {
        let _ = self
            .swarm
            .manager()
            .and_then(|node| node.docker(&["stack", "rm", self.name]));
    }
}
