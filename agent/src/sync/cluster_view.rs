//! The cluster as the main loop sees it: starts the watchers and the sessions, and hands out receivers
//! of what they learn.

use super::budget::Budgets;
use super::context::{Context, LocalStats, OwnDatapath};
use super::peers::{self, Peers};
use super::problems::Problems;
use super::role_recheck;
use super::server;
use super::session_registry::SessionRegistry;
use super::single_flight::SingleFlight;
use super::stats::ClusterStats;
use super::view_store::{self, Input, Outputs, PublishedView, SourceState};
use crate::certs::{self, CertificateState};
use crate::watch::docker::{Docker, DockerError};
use crate::watch::engine_restart::EngineRestart;
use crate::watch::info::{self, Info};
use crate::watch::poll_interval::random;
use crate::watch::{EngineUpdate, LocalFacts, LocalUpdate, events, local, swarm};
use lb_core::ids::{NodeId, TaskId};
use lb_core::report::Problem;
use lb_core::snapshot::Snapshot;
use lb_core::token::TokenKeys;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinSet;

const CERTIFICATES_EVERY: Duration = Duration::from_secs(2);

/// Paths, address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The engine's socket.
    pub docker_socket: PathBuf,
    /// Directory of the Swarm's node certificate.
    pub certificates: PathBuf,
    /// Address to listen on for other agents, where this node's own one in the Swarm is none of its devices'.
    pub listen: IpAddr,
    /// TCP port of all agents.
    pub port: u16,
}

/// Why the sources cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine's socket is not usable.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The port for other agents cannot be opened.
    #[error(
        "cannot listen on {address} for other agents: {source}; free the port, or choose another one with --port on all nodes"
    )]
    Listen {
        /// Address and port.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The view of the Swarm and of this node's part in it, kept up to date until dropped; also announces
/// facts about this node to the other agents.
pub struct ClusterView {
    /// The view, with local events applied. Not `complete` until a whole view was read.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// This node.
    pub local: watch::Receiver<Arc<LocalFacts>>,
    /// Where the view comes from.
    pub source: watch::Receiver<SourceState>,
    /// Nodes whose agents are connected to this one; on managers.
    pub agents: watch::Receiver<BTreeSet<NodeId>>,
    /// Problems between the agents.
    pub problems: watch::Receiver<BTreeSet<Problem>>,
    /// Traffic of all nodes.
    pub cluster_stats: ClusterStats,
    own_datapath: watch::Sender<OwnDatapath>,
    held: watch::Sender<BTreeSet<TaskId>>,
    engine_restart: Option<EngineRestart>,
    tasks: JoinSet<()>,
}

impl ClusterView {
    /// Announces this node's datapath, as `--datapath` names it.
    pub fn advertise_datapath(&self, datapath: &'static str) {
        self.announce(|own_datapath| own_datapath.datapath = datapath);
    }

    /// Announces the keys of what this node puts into the tunnel. Call it before [`ClusterView::advertise_datapath`]:
    /// a node that has announced its datapath and no keys has none.
    pub fn advertise_token_keys(&self, keys: TokenKeys) {
        self.announce(|own_datapath| own_datapath.token_keys = Some(keys));
    }

    fn announce(&self, change: impl FnOnce(&mut OwnDatapath)) {
        let mut next = *self.own_datapath.borrow();
        change(&mut next);
        view_store::publish(&self.own_datapath, next);
    }

    /// Announces which of this node's tasks are backends in its kernel.
    pub fn advertise_local_tasks(&self, tasks: BTreeSet<TaskId>) {
        view_store::publish(&self.held, tasks);
    }

    /// The agent got a signal to stop. If the reason is an engine that restarts, which ends all of this
    /// node's tasks, announces that they are stopping.
    pub async fn announce_shutdown(&self) {
        let Some(engine_restart) = &self.engine_restart else {
            return;
        };
        let tasks = self.local.borrow().tasks.keys().cloned().collect();
        if engine_restart.announce_stopping(tasks).await {
            tracing::info!("the engine restarts and ends this node's tasks");
        }
    }
}

/// Starts all watchers and sessions; `local_stats` reads this node's own counters.
///
/// # Errors
/// [`StartError`]: a socket that is not there, or a port that is taken. Everything else is
/// waited for: an engine that starts, a host that joins a Swarm.
pub async fn start(settings: Settings, local_stats: LocalStats) -> Result<ClusterView, StartError> {
    let docker = Docker::open(&settings.docker_socket).await?;
    // A port that is taken shows now, and not only once this node is a manager.
    drop(listen(settings.listen, settings.port).await?);
    let mut tasks = JoinSet::new();
    let resync = Arc::new(Notify::new());

    let (info_out, info) = watch::channel(Arc::default());
    let recheck = Arc::new(Notify::new());
    tasks.spawn(info::follow(docker.clone(), recheck.clone(), info_out));
    let (manager_out, manager) = watch::channel(false);
    tasks.spawn(roles(info.clone(), manager_out));
    let (news_out, news) = mpsc::channel(256);
    let (lost_out, lost) = watch::channel(false);
    tasks.spawn(events::follow(
        docker.clone(),
        news_out,
        resync.clone(),
        lost_out,
    ));
    let (local_out, local) = mpsc::channel(256);
    let engine_restart = EngineRestart {
        docker: docker.clone(),
        lost,
        local: local_out.clone(),
    };
    let (held, held_now) = watch::channel(BTreeSet::new());
    tasks.spawn(local::follow(docker.clone(), news, held_now, local_out));
    let (engine_out, engine) = mpsc::channel(4);
    tasks.spawn(swarm::follow(docker, manager, resync.clone(), engine_out));
    let (certificate_out, certificate) = watch::channel(CertificateState::default());
    let mut joined = info.clone();
    tasks.spawn(async move {
        // Outside of a Swarm there are no certificates, which is not the problem to report then.
        if joined.wait_for(|info| info.member).await.is_ok() {
            certs::follow(settings.certificates, CERTIFICATES_EVERY, certificate_out).await;
        }
    });

    let sources = Sources {
        info,
        engine,
        local,
        certificate,
        resync,
    };
    let mut cluster = assemble(sources, settings.listen, settings.port, local_stats, tasks);
    let recheck_roles =
        role_recheck::run(cluster.snapshot.clone(), cluster.source.clone(), recheck);
    cluster.tasks.spawn(recheck_roles);
    Ok(ClusterView {
        held,
        engine_restart: Some(engine_restart),
        ..cluster
    })
}

/// Inputs of the view.
pub(super) struct Sources {
    pub(super) info: watch::Receiver<Arc<Info>>,
    pub(super) engine: mpsc::Receiver<EngineUpdate>,
    pub(super) local: mpsc::Receiver<LocalUpdate>,
    pub(super) certificate: watch::Receiver<CertificateState>,
    pub(super) resync: Arc<Notify>,
}

pub(super) async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind((address, port))
        .await
        .map_err(|source| StartError::Listen {
            address: format!("{address}:{port}"),
            source,
        })
}

/// Connects `sources` to a view. The port for agents is opened at `listen` while the node's own address is unknown;
/// `tasks` run until the view is dropped.
pub(super) fn assemble(
    sources: Sources,
    listen: IpAddr,
    port: u16,
    local_stats: LocalStats,
    mut tasks: JoinSet<()>,
) -> ClusterView {
    let (store_in, inputs) = mpsc::channel(1024);
    let (views_out, views) = watch::channel(Arc::new(PublishedView::default()));
    let (snapshot_out, snapshot) = watch::channel(Arc::default());
    let (facts_out, facts) = watch::channel(Arc::default());
    let (source_out, source) = watch::channel(SourceState::default());
    let (own_health_out, own_health) = watch::channel(Arc::default());
    let (chosen_out, chosen) = watch::channel(None);
    let (events, _) = broadcast::channel(256);
    let (sessions, agents) = SessionRegistry::new();
    let (problems, problem_list) = Problems::new();
    let (own_datapath, own_datapath_now) = watch::channel(OwnDatapath::default());
    let context = Context {
        epoch: random(),
        port,
        info: sources.info,
        own_datapath: own_datapath_now,
        certificate: sources.certificate,
        views,
        view_store: store_in.clone(),
        events: events.clone(),
        own_health,
        resync: sources.resync,
        sessions,
        peers: Peers::new(),
        budgets: Arc::new(Budgets::new()),
        cluster_stats: SingleFlight::new(),
        local_stats,
        problems,
    };
    let outputs = Outputs {
        views: views_out,
        snapshot: snapshot_out,
        facts: facts_out,
        source: source_out,
        own_health: own_health_out,
        events,
    };
    tasks.spawn(forward(sources.engine, store_in.clone(), Input::Engine));
    tasks.spawn(forward(sources.local, store_in, Input::Local));
    tasks.spawn(view_store::run(context.clone(), inputs, chosen, outputs));
    tasks.spawn(peers::run(context.clone(), chosen_out));
    tasks.spawn(server::run(context.clone(), listen));
    tasks.spawn(report_identity(context.clone()));
    ClusterView {
        snapshot,
        local: facts,
        source,
        agents,
        problems: problem_list,
        cluster_stats: ClusterStats::new(context),
        own_datapath,
        held: watch::Sender::default(),
        engine_restart: None,
        tasks,
    }
}

async fn forward<T: Send + 'static>(
    mut from: mpsc::Receiver<T>,
    to: mpsc::Sender<Input>,
    wrap: fn(T) -> Input,
) {
    while let Some(news) = from.recv().await {
        if to.send(wrap(news)).await.is_err() {
            return;
        }
    }
}

async fn roles(mut info: watch::Receiver<Arc<Info>>, manager: watch::Sender<bool>) {
    while info.changed().await.is_ok() {
        let now = info.borrow_and_update().manager;
        manager.send_if_modified(|was| std::mem::replace(was, now) != now);
    }
}

/// A missing certificate is a problem only of a host that is in a Swarm.
async fn report_identity(mut context: Context) {
    loop {
        let member = context.info.borrow_and_update().member;
        let problem = context.certificate.borrow_and_update().problem.clone();
        context
            .problems
            .set("node certificate", problem.filter(|_| member));
        let alive = tokio::select! {
            changed = context.info.changed() => changed,
            changed = context.certificate.changed() => changed,
        };
        if alive.is_err() {
            return;
        }
    }
}
