//! Starts the watchers of this host's engine and the sessions to other agents.

use super::announcer::Announcer;
use super::assemble::{Sources, assemble};
use super::cluster_view::ClusterView;
use super::local_stats::LocalStats;
use super::own_report::OwnDatapath;
use super::role_recheck;
use crate::certs::{self, CertificateState};
use crate::watch::docker::{Docker, DockerError};
use crate::watch::engine_restart::EngineRestart;
use crate::watch::info::{self, Info};
use crate::watch::{events, local, swarm};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
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

/// Errors of the start.
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
        /// Error of the system.
        source: std::io::Error,
    },
}

/// Starts all watchers and sessions. `local_stats` has the reader of this node's counters, once its datapath is
/// loaded: until then other agents get no counters of this node.
///
/// # Errors
/// [`StartError`]: a socket that is not there, or a port that is taken. Everything else is
/// waited for: an engine that starts, a host that joins a Swarm.
pub async fn start(
    settings: Settings,
    local_stats: watch::Receiver<Option<LocalStats>>,
) -> Result<(ClusterView, Announcer), StartError> {
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

    let (own_datapath_out, own_datapath) = watch::channel(OwnDatapath::default());
    let sources = Sources {
        info,
        engine,
        local,
        certificate,
        own_datapath,
        local_stats,
    };
    let mut cluster = assemble(sources, resync, settings.listen, settings.port, tasks);
    let recheck_roles =
        role_recheck::run(cluster.snapshot.clone(), cluster.source.clone(), recheck);
    cluster.tasks.spawn(recheck_roles);
    let announcer = Announcer {
        own_datapath: own_datapath_out,
        held,
        engine_restart,
        local: cluster.local.clone(),
    };
    Ok((cluster, announcer))
}

pub(super) async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind((address, port))
        .await
        .map_err(|source| StartError::Listen {
            address: format!("{address}:{port}"),
            source,
        })
}

async fn roles(mut info: watch::Receiver<Arc<Info>>, manager: watch::Sender<bool>) {
    while info.changed().await.is_ok() {
        let now = info.borrow_and_update().manager;
        manager.send_if_modified(|was| std::mem::replace(was, now) != now);
    }
}
