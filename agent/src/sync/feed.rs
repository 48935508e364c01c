//! Puts the sources together: what the run loop starts, and what it gets.

use super::context::{Context, LocalStats};
use super::doubts;
use super::hub::{self, Input, Outputs, SourceState, View};
use super::peers::{self, Peers};
use super::problems::Problems;
use super::seats::Seats;
use super::server;
use super::stats::ClusterStats;
use crate::certs::{self, Standing};
use crate::watch::docker::{Docker, DockerError};
use crate::watch::ending::Ending;
use crate::watch::info::{self, Info};
use crate::watch::pace::random;
use crate::watch::{EngineUpdate, LocalFacts, LocalUpdate, events, local, swarm};
use lb_core::ids::{NodeId, TaskId};
use lb_core::report::Problem;
use lb_core::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinSet;

const CERTIFICATES_EVERY: Duration = Duration::from_secs(2);

/// Where things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The engine's socket.
    pub docker_socket: PathBuf,
    /// Directory of the Swarm's node certificate.
    pub certificates: PathBuf,
    /// Address to listen on for other agents.
    pub listen: IpAddr,
    /// TCP port of all agents.
    pub port: u16,
}

/// Why it cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine's socket is not usable.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The port for other agents is not to be had.
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

/// All that is known of the Swarm and of this node's part in it, kept up to date until dropped.
pub struct Feed {
    /// The view, signs applied. Not `complete` until there is one.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// This node.
    pub local: watch::Receiver<Arc<LocalFacts>>,
    /// Where the view comes from.
    pub source: watch::Receiver<SourceState>,
    /// Nodes whose agents are connected to this one; on managers.
    pub agents: watch::Receiver<BTreeSet<NodeId>>,
    /// What is wrong between the agents.
    pub problems: watch::Receiver<BTreeSet<Problem>>,
    /// Traffic of all nodes.
    pub cluster_stats: ClusterStats,
    serving: watch::Sender<&'static str>,
    held: watch::Sender<BTreeSet<TaskId>>,
    ending: Option<Ending>,
    tasks: JoinSet<()>,
}

impl Feed {
    /// Lets the others know by which datapath this node serves, as `--datapath` names it.
    pub fn serves_by(&self, datapath: &'static str) {
        self.serving.send_replace(datapath);
    }

    /// Lets the others know which of this node's tasks its kernel brings connections to.
    pub fn holds(&self, tasks: BTreeSet<TaskId>) {
        hub::publish(&self.held, tasks);
    }

    /// The agent was told to stop: others are told if that is the engine starting again, which
    /// ends all of this node's tasks.
    pub async fn told_to_stop(&self) {
        let Some(ending) = &self.ending else { return };
        let tasks = self.local.borrow().tasks.keys().cloned().collect();
        if ending.told_to_stop(tasks).await {
            tracing::info!("the engine starts again and ends this node's tasks");
        }
    }
}

/// Starts everything; `local_stats` reads this node's own traffic.
///
/// # Errors
/// [`StartError`]: a socket that is not there, or a port that is taken. Everything else is
/// waited for: an engine that starts, a host that joins a Swarm.
pub async fn start(settings: Settings, local_stats: LocalStats) -> Result<Feed, StartError> {
    let docker = Docker::open(&settings.docker_socket).await?;
    let listener = listen(settings.listen, settings.port).await?;
    let mut tasks = JoinSet::new();
    let nudge = Arc::new(Notify::new());

    let (info_out, info) = watch::channel(Arc::default());
    let doubt = Arc::new(Notify::new());
    tasks.spawn(info::follow(docker.clone(), doubt.clone(), info_out));
    let (manager_out, manager) = watch::channel(false);
    tasks.spawn(roles(info.clone(), manager_out));
    let (news_out, news) = mpsc::channel(256);
    let (lost_out, lost) = watch::channel(false);
    tasks.spawn(events::follow(
        docker.clone(),
        news_out,
        nudge.clone(),
        lost_out,
    ));
    let (local_out, local) = mpsc::channel(256);
    let ending = Ending {
        docker: docker.clone(),
        lost,
        local: local_out.clone(),
    };
    let (held, held_now) = watch::channel(BTreeSet::new());
    tasks.spawn(local::follow(docker.clone(), news, held_now, local_out));
    let (engine_out, engine) = mpsc::channel(4);
    tasks.spawn(swarm::follow(docker, manager, nudge.clone(), engine_out));
    let (standing_out, standing) = watch::channel(Standing::default());
    let mut joined = info.clone();
    tasks.spawn(async move {
        // Outside of a Swarm there are none, and that is not what is wrong then.
        if joined.wait_for(|info| info.member).await.is_ok() {
            certs::follow(settings.certificates, CERTIFICATES_EVERY, standing_out).await;
        }
    });

    let sources = Sources {
        info,
        engine,
        local,
        standing,
        nudge,
    };
    let mut feed = assemble(sources, listener, settings.port, local_stats, tasks);
    let doubts = doubts::raise(feed.snapshot.clone(), feed.source.clone(), doubt);
    feed.tasks.spawn(doubts);
    Ok(Feed {
        held,
        ending: Some(ending),
        ..feed
    })
}

/// What the agent is fed with.
pub(super) struct Sources {
    pub(super) info: watch::Receiver<Arc<Info>>,
    pub(super) engine: mpsc::Receiver<EngineUpdate>,
    pub(super) local: mpsc::Receiver<LocalUpdate>,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) nudge: Arc<Notify>,
}

pub(super) async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind((address, port))
        .await
        .map_err(|source| StartError::Listen {
            address: format!("{address}:{port}"),
            source,
        })
}

/// From `sources` to a feed; `tasks` run for as long as it does.
pub(super) fn assemble(
    sources: Sources,
    listener: TcpListener,
    port: u16,
    local_stats: LocalStats,
    mut tasks: JoinSet<()>,
) -> Feed {
    let (hub_in, inputs) = mpsc::channel(1024);
    let (views_out, views) = watch::channel(Arc::new(View::default()));
    let (snapshot_out, snapshot) = watch::channel(Arc::default());
    let (facts_out, facts) = watch::channel(Arc::default());
    let (source_out, source) = watch::channel(SourceState::default());
    let (signs_out, own_signs) = watch::channel(Arc::default());
    let (chosen_out, chosen) = watch::channel(None);
    let (events, _) = broadcast::channel(256);
    let (seats, agents) = Seats::new();
    let (problems, problem_list) = Problems::new();
    let (serving, served_by) = watch::channel("");
    let context = Context {
        epoch: random(),
        port,
        info: sources.info,
        serving: served_by,
        standing: sources.standing,
        views,
        hub: hub_in.clone(),
        events: events.clone(),
        own_signs,
        nudge: sources.nudge,
        seats,
        peers: Peers::new(),
        local_stats,
        problems,
    };
    let outputs = Outputs {
        views: views_out,
        snapshot: snapshot_out,
        facts: facts_out,
        source: source_out,
        own_signs: signs_out,
        events,
    };
    tasks.spawn(forward(sources.engine, hub_in.clone(), Input::Engine));
    tasks.spawn(forward(sources.local, hub_in, Input::Local));
    tasks.spawn(hub::run(context.clone(), inputs, chosen, outputs));
    tasks.spawn(peers::run(context.clone(), chosen_out));
    tasks.spawn(server::run(context.clone(), listener));
    tasks.spawn(report_identity(context.clone()));
    Feed {
        snapshot,
        local: facts,
        source,
        agents,
        problems: problem_list,
        cluster_stats: ClusterStats::new(context),
        serving,
        held: watch::Sender::default(),
        ending: None,
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
        let problem = context.standing.borrow_and_update().problem.clone();
        context
            .problems
            .set("node certificate", problem.filter(|_| member));
        let alive = tokio::select! {
            changed = context.info.changed() => changed,
            changed = context.standing.changed() => changed,
        };
        if alive.is_err() {
            return;
        }
    }
}
