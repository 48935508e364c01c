//! A running agent whose sources are the test's.

use crate::certs::testing::{Authority, Role};
use crate::sync::{Announcer, ClusterView, LocalStats};
use crate::watch::info::Info;
use crate::watch::{EngineUpdate, LocalUpdate};
use lb_core::model::snapshot::{LocalHealth, Snapshot};
use lb_core::view::overlay::LocalEvent;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

/// A running agent, with the senders of its sources.
pub(in crate::sync::tests) struct Agent {
    pub(in crate::sync::tests) cluster: ClusterView,
    pub(in crate::sync::tests) announcer: Announcer,
    pub(in crate::sync::tests) address: Ipv4Addr,
    pub(super) home: TempDir,
    pub(in crate::sync::tests) id: String,
    pub(super) engine: mpsc::Sender<EngineUpdate>,
    pub(super) local: mpsc::Sender<LocalUpdate>,
    pub(super) info: watch::Sender<Arc<Info>>,
    pub(super) local_stats: watch::Sender<Option<LocalStats>>,
}

impl Agent {
    pub(in crate::sync::tests) async fn engine(&self, view: Snapshot) {
        self.engine.send(EngineUpdate::View(view)).await.unwrap();
    }

    pub(in crate::sync::tests) async fn trouble(&self) {
        let trouble = EngineUpdate::Trouble("no leader".into());
        self.engine.send(trouble).await.unwrap();
    }

    pub(in crate::sync::tests) async fn local(&self, event: LocalEvent) {
        self.local.send(LocalUpdate::Event(event)).await.unwrap();
    }

    pub(in crate::sync::tests) async fn until(&mut self, holds: impl Fn(&Snapshot) -> bool) {
        let seen = self.cluster.snapshot.wait_for(|snapshot| holds(snapshot));
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    pub(in crate::sync::tests) async fn sees(&mut self, task: &str, health: LocalHealth) {
        let task = task.into();
        self.until(|s| s.tasks.get(&task).is_some_and(|task| task.health == health))
            .await;
    }

    pub(in crate::sync::tests) async fn has_agents(&self, count: usize) {
        let mut agents = self.cluster.agents.clone();
        let seen = agents.wait_for(|agents| agents.len() == count);
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    pub(in crate::sync::tests) async fn connected(&self) {
        let mut source = self.cluster.source.clone();
        let seen = source.wait_for(|source| source.connected);
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    pub(in crate::sync::tests) async fn source_is(&self, address: Ipv4Addr) {
        let mut source = self.cluster.source.clone();
        let name = format!("{address}:");
        let seen = source.wait_for(|s| s.connected && s.name.starts_with(&name));
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    pub(in crate::sync::tests) async fn has_trouble(&self, words: &str) {
        let mut source = self.cluster.source.clone();
        let says = |message: &String| message.contains(words);
        let seen = source.wait_for(|s| s.message.as_ref().is_some_and(says));
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    /// Takes away the reader of counters, as before the datapath is loaded.
    pub(in crate::sync::tests) fn has_no_datapath(&self) {
        self.local_stats.send_replace(None);
    }

    /// Promotes the node as its engine does: by a new certificate and `/info`.
    pub(in crate::sync::tests) async fn promote(&self, authority: &Authority) {
        authority.write(self.home(), &self.id, Role::Manager);
        self.info.send_modify(|info| {
            let promoted = Info {
                manager: true,
                ..Info::clone(info)
            };
            *info = Arc::new(promoted);
        });
    }

    fn home(&self) -> &Path {
        self.home.path()
    }
}
