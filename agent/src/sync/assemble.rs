//! Connects the sources of the view, the view store and the sessions by channels: each has the ends that it needs.

use super::acceptor::Acceptor;
use super::admission::Admission;
use super::budget::Budgets;
use super::cluster_view::ClusterView;
use super::local_stats::{LocalStats, OwnStats};
use super::own_report::{OwnDatapath, OwnReport};
use super::peer_table::PeerTable;
use super::problems::Problems;
use super::session_registry::SessionRegistry;
use super::single_flight::SingleFlight;
use super::stats::ClusterStats;
use super::view_store::{self, Input, PublishedView, SourceState};
use super::{peer, peers, server, session};
use crate::certs::CertificateState;
use crate::watch::info::Info;
use crate::watch::poll_interval::random;
use crate::watch::{EngineUpdate, LocalUpdate};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinSet;

/// Receivers of what this host and its engine tell.
pub(super) struct Sources {
    pub(super) info: watch::Receiver<Arc<Info>>,
    pub(super) engine: mpsc::Receiver<EngineUpdate>,
    pub(super) local: mpsc::Receiver<LocalUpdate>,
    pub(super) certificate: watch::Receiver<CertificateState>,
    pub(super) own_datapath: watch::Receiver<OwnDatapath>,
    pub(super) local_stats: watch::Receiver<Option<LocalStats>>,
}

/// Connects `sources` to a view, which notifies `resync` when the Swarm's lists are to be read again. The port for
/// agents is opened at `listen` while the node's own address is unknown; `tasks` run until the view is dropped.
pub(super) fn assemble(
    sources: Sources,
    resync: Arc<Notify>,
    listen: IpAddr,
    port: u16,
    mut tasks: JoinSet<()>,
) -> ClusterView {
    let (store_in, messages) = mpsc::channel(1024);
    let (views_out, views) = watch::channel(Arc::new(PublishedView::default()));
    let (snapshot_out, snapshot) = watch::channel(Arc::default());
    let (facts_out, facts) = watch::channel(Arc::default());
    let (source_out, source) = watch::channel(SourceState::default());
    let (own_health_out, own_health) = watch::channel(Arc::default());
    let (chosen_out, chosen) = watch::channel(None);
    let (events, _) = broadcast::channel(256);
    let (registry, agents) = SessionRegistry::new();
    let (problems, problem_list) = Problems::new();
    let (table, peers) = PeerTable::new();
    let Sources {
        info,
        engine,
        local,
        certificate,
        own_datapath,
        local_stats,
    } = sources;
    let own_stats = OwnStats::new(local_stats);
    let cluster_stats = ClusterStats {
        info: info.clone(),
        views: views.clone(),
        peers: peers.clone(),
        registry: registry.clone(),
        own_stats: own_stats.clone(),
        answers: SingleFlight::new(),
    };
    let own_report = OwnReport {
        info: info.clone(),
        datapath: own_datapath.clone(),
        health: own_health,
        events: events.clone(),
    };
    let admission = Admission {
        info: info.clone(),
        views: views.clone(),
        certificate: certificate.clone(),
    };
    let store_inputs = view_store::Inputs {
        messages,
        info: info.clone(),
        chosen,
        peers: peers.clone(),
        certificate: certificate.clone(),
        own_datapath,
    };
    let store_outputs = view_store::Outputs {
        views: views_out,
        snapshot: snapshot_out,
        facts: facts_out,
        source: source_out,
        own_health: own_health_out,
        events,
        resync,
    };
    let acceptor = Acceptor {
        listen,
        port,
        admission: admission.clone(),
        problems: problems.clone(),
    };
    let service = server::Service {
        admission,
        budgets: Budgets::new(),
        sessions: session::Channels {
            epoch: random(),
            views: views.clone(),
            view_store: store_in.clone(),
            registry,
        },
        cluster_stats: cluster_stats.clone(),
    };
    let to_peers = peer::Channels {
        port,
        certificate: certificate.clone(),
        own_report,
        own_stats,
        view_store: store_in.clone(),
        table,
        problems: problems.clone(),
    };
    tasks.spawn(forward(engine, store_in.clone(), Input::Engine));
    tasks.spawn(forward(local, store_in, Input::Local));
    tasks.spawn(view_store::run(port, store_inputs, store_outputs));
    tasks.spawn(peers::run(info.clone(), views, peers, to_peers, chosen_out));
    tasks.spawn(server::run(acceptor, service));
    tasks.spawn(report_certificate(info, certificate.clone(), problems));
    ClusterView {
        snapshot,
        local: facts,
        source,
        agents,
        certificate,
        problems: problem_list,
        cluster_stats,
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

/// A missing certificate is a problem only of a host that is in a Swarm.
async fn report_certificate(
    mut info: watch::Receiver<Arc<Info>>,
    mut certificate: watch::Receiver<CertificateState>,
    problems: Problems,
) {
    loop {
        let member = info.borrow_and_update().member;
        let problem = certificate.borrow_and_update().problem.clone();
        problems.set("node certificate", problem.filter(|_| member));
        let alive = tokio::select! {
            changed = info.changed() => changed,
            changed = certificate.changed() => changed,
        };
        if alive.is_err() {
            return;
        }
    }
}
