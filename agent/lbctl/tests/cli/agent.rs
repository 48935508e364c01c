//! A socket server with a fixed Swarm behind it, and ways to run `lbctl` against it.

use crate::swarm::{Swarm, swarm};
use agent::serve::{self, ApiError, Source};
use futures_util::future::BoxFuture;
use lb_core::explain::{ClientQuery, FrontendQuery, RequestQuery};
use lb_core::model::ids::NodeId;
use lb_core::report::build::{self, FlowFilter};
use lb_core::report::{
    Check, Drops, Explanation, Flows, Nodes, RequestExplanation, Routes, Scope, Services, Stats,
    Status,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

pub(crate) struct Shared(pub(crate) Mutex<Option<Swarm>>);

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut Swarm) -> T) -> Result<T, ApiError> {
        let mut swarm = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = || ApiError::NothingKnown {
            why: "waiting for a manager".to_owned(),
        };
        swarm.as_mut().map(f).ok_or_else(nothing)
    }
}

impl Source for Shared {
    fn status(&self) -> Status {
        self.with(|swarm| swarm.status.clone()).unwrap()
    }
    fn services(&self) -> Result<Services, ApiError> {
        self.with(|swarm| build::services(&swarm.snapshot, &swarm.withdrawn))
    }
    fn routes(&self) -> Result<Routes, ApiError> {
        let routes = self.with(|swarm| swarm.routes.clone())?;
        routes.ok_or(ApiError::RouterOff)
    }
    fn nodes(&self) -> Result<Nodes, ApiError> {
        let connected = BTreeSet::from([NodeId::from("n2")]);
        self.with(|swarm| build::nodes(&swarm.snapshot, &"n1".into(), Some(&connected)))
    }
    fn check(&self) -> Result<Check, ApiError> {
        self.with(|swarm| swarm.check.clone())
    }
    fn stats(&self, scope: Scope) -> BoxFuture<'_, Result<Stats, ApiError>> {
        Box::pin(async move { self.with(|swarm| swarm.stats(scope)) })
    }
    fn drops(&self) -> BoxFuture<'_, Result<Drops, ApiError>> {
        Box::pin(async move { self.with(|swarm| build::drops(&swarm.drops)) })
    }
    fn flows(&self, asked: FlowFilter) -> BoxFuture<'_, Result<Flows, ApiError>> {
        Box::pin(async move { self.with(|swarm| swarm.flows(&asked)) })
    }
    fn explain(
        &self,
        client: ClientQuery,
        frontend: FrontendQuery,
    ) -> BoxFuture<'_, Result<Explanation, ApiError>> {
        Box::pin(async move { Ok(self.with(|swarm| swarm.explain(client, frontend))??) })
    }
    fn explain_request(&self, query: &RequestQuery) -> Result<RequestExplanation, ApiError> {
        let told = self.with(|swarm| swarm.routes.is_some().then(|| swarm.request(query)))?;
        told.ok_or(ApiError::RouterOff)
    }
}

/// A server on a thread of its own, in a directory of its own. Both go when it does.
pub(crate) struct Agent {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) socket: PathBuf,
    pub(crate) source: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut agent = Self {
            socket: directory.path().join("run/agent.sock"),
            directory,
            source: Arc::new(Shared(Mutex::new(Some(swarm())))),
            stop: None,
            thread: None,
        };
        agent.serve();
        agent
    }

    /// Serves (again), from the moment this returns.
    pub(crate) fn serve(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (path, shared) = (self.socket.clone(), Arc::clone(&self.source));
        self.thread = Some(std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = serve::bind(&path).await.unwrap();
                ready.send(()).unwrap();
                let stop = async { drop(stopped.await) };
                listener.serve(shared, stop).await;
            });
        }));
        self.stop = Some(stop);
        is_ready.recv().unwrap();
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Swarm)) {
        self.source.with(change).unwrap();
    }

    pub(crate) fn lbctl(&self, arguments: &[&str]) -> Ran {
        lbctl(&self.socket, arguments)
    }

    /// Stops it and waits until it is gone.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// What a run of `lbctl` left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn command(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    command.env("SWARMLB_SOCKET", socket);
    command
}

pub(crate) fn lbctl(socket: &Path, arguments: &[&str]) -> Ran {
    command(socket).args(arguments).output().unwrap().into()
}
