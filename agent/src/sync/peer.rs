//! One session to a manager's agent, made again whenever it ends.

use super::context::Context;
use super::peers::PeerState;
use super::tls::{self, DialError};
use super::view_store::Input;
use super::{HEARTBEAT_INTERVAL, PEER_TIMEOUT};
use crate::watch::poll_interval::random;
use lb_core::ids::NodeId;
use lb_core::report::Stats;
use lb_core::retry::Backoff;
use lb_core::version_filter::SnapshotVersion;
use lb_wire::STATS_BYTES;
use lb_wire::proto::{Down, Hello, StatsAnswer, Subscribe, Up, UpAlive, down, up};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;

/// Messages under way to one manager; with more than that it does not read.
const QUEUE: usize = 64;
/// Questions of one manager that are worked on at a time.
const ANSWERS: usize = 2;
/// During a start, an upgrade of the agents or a promotion, peers come and go.
const REPORT_AFTER: Duration = Duration::from_secs(3);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionEnd {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the agent of the manager at {host} refuses this node: {reason}")]
    Refused { host: String, reason: String },
    #[error("the agent of the manager at {host} hung up")]
    HungUp { host: String },
    #[error("the certificate of the manager at {host} has expired")]
    Expired { host: String },
    #[error("the agent of the manager at {host} sent no heartbeat for {} s", PEER_TIMEOUT.as_secs())]
    Silent { host: String },
}

/// Keeps a session to the manager `id` at `host` until dropped.
pub(super) async fn keep(
    context: Context,
    id: NodeId,
    host: String,
    chosen: watch::Receiver<Option<NodeId>>,
) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    let mut certificate = context.certificate.clone();
    let mut worked = Instant::now();
    loop {
        let began = Instant::now();
        certificate.borrow_and_update();
        let ended = session(&context, &id, &host, chosen.clone()).await;
        let mut was_up = false;
        context.peers.update(&id, |state| {
            was_up = state.up;
            *state = PeerState {
                host: host.clone(),
                trouble: Some(ended.to_string()),
                ..PeerState::default()
            };
        });
        backoff.worked(began.elapsed());
        let pause = backoff.failed(random());
        tracing::debug!(manager = %id, reason = %ended, retry_ms = pause.as_millis(), "session ended");
        if was_up {
            worked = Instant::now();
        } else if worked.elapsed() >= REPORT_AFTER {
            let problem = Some(ended.to_string());
            context.problems.set(&format!("manager {host}"), problem);
        }
        tokio::select! {
            () = sleep(pause) => {}
            // A certificate that came or was renewed may be what was missing.
            Ok(()) = certificate.changed() => {}
        }
    }
}

async fn session(
    context: &Context,
    id: &NodeId,
    host: &str,
    mut chosen: watch::Receiver<Option<NodeId>>,
) -> SessionEnd {
    let (mut client, expires) = match tls::dial(&context.certificate, id, host, context.port).await
    {
        Ok(dialled) => dialled,
        Err(error) => return error.into(),
    };
    let (out, queue) = mpsc::channel(QUEUE);
    let out = Out {
        queue: out,
        answers: Arc::new(Semaphore::new(ANSWERS)),
    };
    // Before the tasks' health is read: an event in between is sent twice, and not lost.
    let mut events = context.events.subscribe();
    let mut own_datapath = context.own_datapath.clone();
    own_datapath.mark_unchanged();
    let opening = async {
        out.send_hello(context).await?;
        let session = client.session(ReceiverStream::new(queue));
        session.await.map_err(|status| refused(host, &status))
    };
    let mut down = match timeout(PEER_TIMEOUT, opening).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(ended)) => return ended.at(host),
        Err(_) => return SessionEnd::Silent { host: host.into() },
    };
    chosen.mark_changed();
    let mut subscribed = false;
    let mut alive = interval(HEARTBEAT_INTERVAL);
    let mut heard = Instant::now();
    let lasts = expires.duration_since(SystemTime::now());
    let expires = Instant::now() + lasts.unwrap_or_default();
    loop {
        let said = tokio::select! {
            message = down.message() => match message {
                Ok(Some(message)) => {
                    heard = Instant::now();
                    take(context, id, host, message, &client, &out).await;
                    Ok(())
                }
                Ok(None) => return SessionEnd::HungUp { host: host.into() },
                Err(status) => return refused(host, &status),
            },
            event = events.recv() => match event {
                Ok(event) => out.send(up::Kind::Event(lb_wire::event_out(&event))).await,
                Err(RecvError::Lagged(_)) => out.send_hello(context).await,
                Err(RecvError::Closed) => std::future::pending().await,
            },
            Ok(()) = own_datapath.changed() => out.send_hello(context).await,
            Ok(()) = chosen.changed() => {
                let on = chosen.borrow_and_update().as_ref() == Some(id);
                if on == subscribed {
                    Ok(())
                } else {
                    subscribed = on;
                    out.send(up::Kind::Subscribe(Subscribe { on })).await
                }
            }
            _ = alive.tick() => out.send(up::Kind::Alive(UpAlive {})).await,
            () = sleep_until(heard + PEER_TIMEOUT) => return SessionEnd::Silent { host: host.into() },
            () = sleep_until(expires) => return SessionEnd::Expired { host: host.into() },
        };
        if let Err(ended) = said {
            return ended.at(host);
        }
    }
}

async fn take(
    context: &Context,
    id: &NodeId,
    host: &str,
    message: Down,
    client: &tls::Client,
    out: &Out,
) {
    match message.kind {
        Some(down::Kind::Alive(alive)) => {
            let known = context.peers.table();
            let same = known
                .borrow()
                .get(id)
                .is_some_and(|state| state.up && state.fresh == alive.fresh);
            if !same {
                context.problems.set(&format!("manager {host}"), None);
                context.peers.update(id, |state| {
                    state.up = true;
                    state.fresh = alive.fresh;
                    state.trouble = None;
                    state.client = Some(client.clone());
                });
            }
        }
        Some(down::Kind::Snapshot(update)) => {
            let version = SnapshotVersion {
                epoch: update.epoch,
                revision: update.revision,
            };
            match lb_wire::decode(update.snapshot) {
                Ok(snapshot) => {
                    let input = Input::Upstream(id.clone(), version, snapshot);
                    // A closed view_store means that this agent is stopping.
                    let _ = context.view_store.send(input).await;
                }
                Err(error) => {
                    tracing::warn!(manager = %id, %error, "view of the Swarm not understood");
                }
            }
        }
        Some(down::Kind::AskStats(ask)) => {
            // Queries that come faster than they can be answered are dropped.
            let Ok(answers) = out.answers.clone().try_acquire_owned() else {
                return;
            };
            let stats = (context.local_stats)();
            let out = out.clone();
            // Reading the kernel's counters must not hold up the session.
            tokio::spawn(async move {
                let _answers = answers;
                if let Some(json) = stats_json(stats.await) {
                    let answer = StatsAnswer {
                        request_id: ask.request_id,
                        json: json.into(),
                    };
                    let _ = out.send(up::Kind::Stats(answer)).await;
                }
            });
        }
        None => {}
    }
}

/// This node's report about itself; several messages if it has many tasks.
fn hellos(context: &Context) -> Vec<Hello> {
    let info = context.info.borrow();
    let own_datapath = *context.own_datapath.borrow();
    let portions = lb_wire::task_health_out(&context.own_health.borrow());
    let hello = |task_health| Hello {
        node_id: info.id.0.clone(),
        address: info.address.map(|a| a.to_string()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        datapath: own_datapath.datapath.to_owned(),
        token_keys: own_datapath.token_keys.as_ref().map(lb_wire::keys_out),
        task_health,
    };
    portions.into_iter().map(hello).collect()
}

/// `stats` as JSON; without its tasks if a manager would refuse the message for its size.
fn stats_json(mut stats: Stats) -> Option<Vec<u8>> {
    let whole = serde_json::to_vec(&stats).ok()?;
    if whole.len() < STATS_BYTES {
        return Some(whole);
    }
    for service in &mut stats.services {
        service.tasks.clear();
    }
    let sums = serde_json::to_vec(&stats).ok()?;
    (sums.len() < STATS_BYTES).then_some(sums)
}

fn refused(host: &str, status: &tonic::Status) -> SessionEnd {
    SessionEnd::Refused {
        host: host.to_owned(),
        reason: status.message().to_owned(),
    }
}

impl SessionEnd {
    /// Fills in the host, which the queue does not know.
    fn at(self, host: &str) -> Self {
        match self {
            Self::Silent { .. } => Self::Silent { host: host.into() },
            Self::HungUp { .. } => Self::HungUp { host: host.into() },
            other => other,
        }
    }
}

/// Sender of messages to the manager. A manager that does not read for [`PEER_TIMEOUT`] is gone.
#[derive(Clone)]
struct Out {
    queue: mpsc::Sender<Up>,
    /// Answers that are being worked on.
    answers: Arc<Semaphore>,
}

impl Out {
    /// The queue has room for all of them, also while nobody reads yet.
    async fn send_hello(&self, context: &Context) -> Result<(), SessionEnd> {
        for hello in hellos(context) {
            self.send(up::Kind::Hello(hello)).await?;
        }
        Ok(())
    }

    async fn send(&self, kind: up::Kind) -> Result<(), SessionEnd> {
        let host = String::new();
        match timeout(PEER_TIMEOUT, self.queue.send(Up { kind: Some(kind) })).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(SessionEnd::HungUp { host }),
            Err(_) => Err(SessionEnd::Silent { host }),
        }
    }
}
