//! The main loop: the only place that knows the sources, the pure core and the kernel at once.
//!
//! It owns all mutable state. On every event it runs the same reconcile pass: compute the
//! desired state, compare it with the kernel, apply the difference. The admin API and other
//! agents read the result of the last pass from [`admin_state`].

mod admin_state;
mod datapath;
mod error;
mod host;
mod http_router;
mod lease;
mod reconcile;
mod retry;
mod shutdown;
mod tokens;

use crate::cli;
use crate::error_chain::error_chain;
use crate::links::{self, Changes, ContainerAddresses, Listening, PathMtus};
use crate::serve;
use crate::sync::{self, Announcer, ClusterView};
use admin_state::AdminState;
pub use datapath::{ChooseError, clean};
pub use error::RunError;
use host::{listening_problem, read_node, wait_for_swarm};
use http_router::HttpRouter;
use lb_core::report::Problem;
use reconcile::Reconciler;
use retry::{FIRST_RETRY, Retry};
use shutdown::certificates_removed;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokens::Tokens;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Events of one burst are handled by one reconcile pass.
const COALESCE: Duration = Duration::from_millis(2);
/// While new token keys are not in the view yet, the view is checked again after this time.
const KNOWN: Duration = Duration::from_millis(50);
/// The kernel's state is observed again at least this often.
const REFRESH: Duration = Duration::from_secs(30);

/// Runs the agent until it is told to stop.
///
/// # Errors
/// When it can't start, and when the directory of certificates that it sees was removed, whose successor it would never see.
/// Nothing else but a signal ends it once it runs: what fails is tried again, and what was programmed stays.
pub async fn run(settings: cli::Run) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let started = Instant::now();
    let (local_stats_out, local_stats) = watch::channel(None);
    let (mut cluster, announcer) = sync::start(
        sync::Settings {
            docker_socket: settings.common.docker_socket.clone(),
            certificates: settings.certificates.clone(),
            listen: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: settings.port,
        },
        local_stats,
    )
    .await?;
    // Nothing is put into the kernel before it is known that it can be of use.
    wait_for_swarm(&mut cluster).await?;
    let mut listening = Listening::default();
    listening.refresh();
    let mut container_addresses = ContainerAddresses::default();
    let path_mtus = PathMtus::default();
    let node = read_node(
        &cluster,
        &settings,
        &listening,
        &mut container_addresses,
        &path_mtus,
    )
    .await?;
    let listener = serve::bind(&settings.socket).await?;
    let datapath = datapath::choose(&settings)?;
    let hostname = cluster.local.borrow().hostname.clone();
    let router = HttpRouter::start(&settings, &hostname).map(Arc::new);
    let admin_state = AdminState::new(started, &cluster, &*datapath, router.clone(), node.clone())?;
    let admin_state = Arc::new(admin_state);
    local_stats_out.send_replace(Some(AdminState::local_stats(&admin_state)));
    let known = datapath.token_keys()?;
    let tokens = Tokens::start(known, Instant::now()).map_err(RunError::Random)?;
    announcer.advertise_token_keys(tokens.keys());
    announcer.advertise_datapath(datapath.name());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        node = %node.id,
        datapath = datapath.name(),
        uplink = node.uplink.as_ref().map_or("", |link| link.name.as_str()),
        "serving"
    );

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let answers = tokio::spawn(listener.serve(
        Arc::clone(&admin_state) as Arc<dyn serve::Source>,
        async {
            let _ = stopped.await;
        },
    ));
    let mut agent = Agent {
        settings,
        announcer,
        admin_state,
        cleanup_pending: Some(datapath.name()),
        reconciler: Some(Reconciler::new(datapath, router)),
        tokens,
        reconcile_at: Instant::now(),
        observe_at: Instant::now(),
        retry: Retry::new(FIRST_RETRY, REFRESH),
        tick_at: Instant::now(),
        listening,
        container_addresses,
        path_mtus,
    };
    let mut changes = links::changes()?;
    let mut certificate = cluster.certificate.clone();
    let ended = loop {
        tokio::select! {
            wake = agent.wait(&mut cluster, &mut changes) => agent.handle(wake, &mut cluster).await,
            _ = terminate.recv() => {
                agent.announcer.announce_shutdown().await;
                tokio::select! {
                    () = agent.grace_period(&mut cluster, &mut changes) => {}
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                break Ok(());
            }
            _ = interrupt.recv() => break Ok(()),
            problem = certificates_removed(&mut certificate) => {
                break Err(RunError::CertificatesRemoved(problem));
            }
        }
    };
    agent.shut_down(&cluster);
    drop(stop);
    let _ = answers.await;
    ended
}

struct Agent {
    settings: cli::Run,
    announcer: Announcer,
    admin_state: Arc<AdminState>,
    /// Name of the datapath in use, until the leavings of the other one have been removed.
    cleanup_pending: Option<&'static str>,
    /// `None` once everything was removed from the kernel.
    reconciler: Option<Reconciler>,
    /// Keys of what this node puts into the tunnel: of tokens (eBPF) or cookies (IPVS).
    tokens: Tokens,
    /// When to run a reconcile pass without an event.
    reconcile_at: Instant,
    /// When to observe the kernel again instead of trusting the last known state.
    observe_at: Instant,
    /// When to retry operations that the kernel refused.
    retry: Retry,
    /// When to renew the lease.
    tick_at: Instant,
    /// Ports on which the host's own processes listen.
    listening: Listening,
    /// Addresses of the node's containers.
    container_addresses: ContainerAddresses,
    /// MTUs of the paths to other nodes, as the kernel knows them.
    path_mtus: PathMtus,
}

/// Reason for which the loop woke up.
enum Wake {
    /// It is time for [`Agent::tick`].
    Tick,
    /// An event, or the time of the next reconcile pass.
    Reconcile,
}

impl Agent {
    async fn handle(&mut self, wake: Wake, cluster: &mut ClusterView) {
        match wake {
            Wake::Tick => {
                self.tick();
                self.advance();
            }
            Wake::Reconcile => self.reconcile(cluster).await,
        }
    }

    fn tick(&mut self) {
        self.tick_at = Instant::now() + lease::TICK;
        let Some(reconciler) = &mut self.reconciler else {
            return;
        };
        if reconciler.publishes_any(&self.listening.refresh()) {
            self.reconcile_at = Instant::now();
        }
        if self.path_mtus.refresh() {
            self.reconcile_at = Instant::now();
        }
        match reconciler.tick(self.settings.lease) {
            Ok(true) => self.reconcile_at = Instant::now(),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                error = error_chain(&error),
                "the lease could not be renewed"
            ),
        }
    }

    /// Rotates the token keys when their epoch ends.
    fn advance(&mut self) {
        match self.tokens.advance(Instant::now()) {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(
                    epoch = self.tokens.keys().epoch,
                    "keys of the tunnel's tokens changed"
                );
                self.announcer.advertise_token_keys(self.tokens.keys());
                self.reconcile_at = Instant::now();
            }
            Err(error) => {
                tracing::warn!(%error, "no random bytes for a key: the last one stays in use");
            }
        }
    }

    /// Not cancel-safe: an event that it has consumed counts only once it returns. A `select!`
    /// may drop it only when the agent ends.
    async fn wait(&self, cluster: &mut ClusterView, changes: &mut Changes) -> Wake {
        tokio::select! {
            _ = cluster.snapshot.changed() => {}
            _ = cluster.local.changed() => {}
            () = changes.next() => {}
            () = sleep_until(self.reconcile_at) => return Wake::Reconcile,
            () = sleep_until(self.tick_at) => return Wake::Tick,
        }
        tokio::time::sleep(COALESCE).await;
        Wake::Reconcile
    }

    async fn reconcile(&mut self, cluster: &mut ClusterView) {
        let now = Instant::now();
        self.reconcile_at = now + FIRST_RETRY;
        if self.removed(cluster) {
            self.clean();
        }
        let Some(reconciler) = &mut self.reconciler else {
            return;
        };
        if now >= self.observe_at {
            reconciler.observe_again();
            self.observe_at = now + REFRESH;
        } else if self.retry.due(now) {
            reconciler.retry_refused();
        }
        let read = read_node(
            cluster,
            &self.settings,
            &self.listening,
            &mut self.container_addresses,
            &self.path_mtus,
        );
        let node = match read.await {
            Ok(mut node) => {
                node.token_keys = Some(self.tokens.keys());
                node
            }
            Err(error) => {
                self.admin_state.record_failure(Problem {
                    object: "uplink".to_owned(),
                    message: error_chain(&error),
                });
                return;
            }
        };
        let snapshot = Arc::clone(&cluster.snapshot.borrow_and_update());
        let peers = snapshot.nodes.iter().filter(|(id, _)| **id != node.id);
        let peers = peers.filter_map(|(_, peer)| peer.address).collect();
        self.path_mtus.follow(node.address, &peers);
        if self.tokens.unknown(&snapshot, &node.id, now) {
            self.reconcile_at = now + KNOWN;
            return;
        }
        match reconciler.reconcile(&snapshot, &node, &self.settings.config()) {
            Ok(mut report) => {
                let held = std::mem::take(&mut report.held);
                self.announcer.advertise_local_tasks(held);
                if report.in_sync {
                    self.reconcile_at = self.observe_at;
                    self.retry.over();
                    if let Some(serving) = self.cleanup_pending.take() {
                        datapath::remove_other(&self.settings.bpffs.bpffs, serving);
                    }
                } else {
                    self.reconcile_at = self.retry.failed(now).min(self.observe_at);
                }
                report.problems.extend(listening_problem(&self.listening));
                self.admin_state.publish(snapshot, node, report);
            }
            Err(error) => {
                reconciler.observe_again();
                tracing::warn!(error = error_chain(&error), "reconcile pass failed");
                self.admin_state.record_failure(Problem {
                    object: "kernel".to_owned(),
                    message: error_chain(&error),
                });
            }
        }
    }
}
