//! Services and stacks that a test creates in a Swarm, removed at the end of their scope.

use std::time::Duration;

use anyhow::Result;

use crate::service::{ServiceSpec, Task};
use crate::swarm::Swarm;

impl Swarm {
    /// Removes the stack at the end of its scope.
    #[must_use]
    pub fn stack_guard<'a>(&'a self, name: &'a str) -> StackGuard<'a> {
        StackGuard { swarm: self, name }
    }

    /// Creates a service; it goes with the guard.
    pub fn service_create(&self, spec: &ServiceSpec) -> Result<Service<'_>> {
        let arguments = spec.create_arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let id = self.manager()?.docker(&arguments)?;
        Ok(Service { swarm: self, id })
    }
}

/// A service that is removed with this guard.
#[derive(Debug)]
pub struct Service<'a> {
    swarm: &'a Swarm,
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
    swarm: &'a Swarm,
    name: &'a str,
}

impl Drop for StackGuard<'_> {
    fn drop(&mut self) {
        let _ = self
            .swarm
            .manager()
            .and_then(|node| node.docker(&["stack", "rm", self.name]));
    }
}
