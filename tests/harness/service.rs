//! Swarm services as tests ask for them, and their tasks as the manager sees them.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::time::Duration;

use crate::{image, slow};

/// A service to create. The tasks run `whoami` and know their task and node.
#[derive(Clone, Debug)]
pub struct ServiceSpec {
    name: String,
    image: String,
    options: Vec<String>,
    arguments: Vec<String>,
}

impl ServiceSpec {
    /// A service of one task that publishes nothing.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: image::WHOAMI.to_owned(),
            options: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// `--publish`, in either of its syntaxes.
    #[must_use]
    pub fn publish(self, port: &str) -> Self {
        self.option("--publish", port)
    }

    /// `--replicas`.
    #[must_use]
    pub fn replicas(self, count: usize) -> Self {
        self.option("--replicas", &count.to_string())
    }

    /// One task per node.
    #[must_use]
    pub fn global(self) -> Self {
        self.option("--mode", "global")
    }

    /// Tasks on this node only.
    #[must_use]
    pub fn on_node(self, node: &str) -> Self {
        self.option("--constraint", &format!("node.hostname=={node}"))
    }

    /// `--label KEY=VALUE`.
    #[must_use]
    pub fn label(self, key: &str, value: &str) -> Self {
        self.option("--label", &format!("{key}={value}"))
    }

    /// Any other option of `docker service create`.
    #[must_use]
    pub fn option(mut self, option: &str, value: &str) -> Self {
        self.options.extend([option.to_owned(), value.to_owned()]);
        self
    }

    /// Another image than [`image::WHOAMI`].
    #[must_use]
    pub fn image(mut self, image: &str) -> Self {
        image.clone_into(&mut self.image);
        self
    }

    /// An argument of the tasks' program.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The arguments of `docker` that create it, without waiting for its tasks.
    pub(crate) fn create_arguments(&self) -> Vec<String> {
        // No registry can say what the image resolves to.
        let fixed = [
            "service",
            "create",
            "--detach",
            "--no-resolve-image",
            "--name",
            &self.name,
        ];
        let identity = [
            "--env",
            "TASK={{.Task.ID}}",
            "--env",
            "NODE={{.Node.Hostname}}",
        ];
        let own = self
            .options
            .iter()
            .chain([&self.image])
            .chain(&self.arguments);
        fixed
            .into_iter()
            .chain(identity)
            .map(str::to_owned)
            .chain(own.cloned())
            .chain(self.lingering())
            .collect()
    }

    /// A task's program ends within milliseconds of its signal, and all nodes know by then. Where
    /// all else takes longer, so does its end.
    fn lingering(&self) -> Option<String> {
        let late = slow::longer(Duration::from_millis(300)).as_millis();
        let emulated = slow::factor() > 1 && self.arguments.is_empty();
        emulated.then(|| format!("--term-delay={late}"))
    }
}

/// A task of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The task's id.
    pub id: String,
    /// Its number within the service; 0 for global services.
    pub slot: u64,
    /// The host name of its node; empty until it is assigned to one.
    pub node: String,
    /// The id of its container, once there is one.
    pub container: Option<String>,
    /// Its state: `running`, `preparing`, `shutdown`, …
    pub state: String,
    /// The state that the manager wants it to have.
    pub desired: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Task {
    /// Runs, and is wanted to.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == "running" && self.desired == "running"
    }
}

/// The engine's JSON, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ApiTask {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "ServiceID")]
    pub(crate) service: String,
    #[serde(rename = "NodeID", default)]
    pub(crate) node: String,
    #[serde(default)]
    slot: u64,
    desired_state: String,
    status: ApiStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ApiStatus {
    state: String,
    err: Option<String>,
    container_status: Option<ApiContainer>,
}

#[derive(Deserialize)]
struct ApiContainer {
    #[serde(rename = "ContainerID", default)]
    id: String,
}

impl ApiTask {
    pub(crate) fn parse_all(tasks: serde_json::Value) -> Result<Vec<Self>> {
        serde_json::from_value(tasks).context("the engine's list of tasks")
    }

    pub(crate) fn on_node(self, node: String) -> Task {
        let container = self.status.container_status.map(|container| container.id);
        Task {
            id: self.id,
            slot: self.slot,
            node,
            container: container.filter(|id| !id.is_empty()),
            state: self.status.state,
            desired: self.desired_state,
            error: self.status.err,
        }
    }
}
