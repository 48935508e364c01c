//! One session to a manager's agent, made again whenever it ends.

use super::context::Context;
use super::hub::Input;
use super::peers::PeerState;
use super::tls::{self, DialError};
use super::wire::proto::{Down, Hello, StatsAnswer, Subscribe, TaskSign, Up, UpAlive, down, up};
use super::{ALIVE_EVERY, SILENCE, wire};
use crate::watch::pace::random;
use lb_core::ids::NodeId;
use lb_core::inbox::Stamp;
use lb_core::retry::Backoff;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;

/// Messages under way to one manager; with more than that it does not read.
const QUEUE: usize = 64;
/// During a start, an upgrade of the agents or a promotion, peers come and go.
const REPORT_AFTER: Duration = Duration::from_secs(3);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the agent of the manager at {host} refuses this node: {reason}")]
    Refused { host: String, reason: String },
    #[error("the agent of the manager at {host} hung up")]
    HungUp { host: String },
    #[error("the agent of the manager at {host} gave no sign of life for {} s", SILENCE.as_secs())]
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
    let mut standing = context.standing.clone();
    let mut worked = Instant::now();
    loop {
        let began = Instant::now();
        standing.borrow_and_update();
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
            Ok(()) = standing.changed() => {}
        }
    }
}

async fn session(
    context: &Context,
    id: &NodeId,
    host: &str,
    mut chosen: watch::Receiver<Option<NodeId>>,
) -> Ended {
    let mut client = match tls::dial(&context.standing, host, context.port).await {
        Ok(client) => client,
        Err(error) => return error.into(),
    };
    let (out, queue) = mpsc::channel(QUEUE);
    let out = Out(out);
    // Before the signs are read: what happens in between is said twice, not lost.
    let mut events = context.events.subscribe();
    let mut serving = context.serving.clone();
    serving.mark_unchanged();
    let opening = async {
        out.say(up::Kind::Hello(hello(context))).await?;
        let session = client.session(ReceiverStream::new(queue));
        session.await.map_err(|status| refused(host, &status))
    };
    let mut down = match timeout(SILENCE, opening).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(ended)) => return ended.at(host),
        Err(_) => return Ended::Silent { host: host.into() },
    };
    chosen.mark_changed();
    let mut subscribed = false;
    let mut alive = interval(ALIVE_EVERY);
    let mut heard = Instant::now();
    loop {
        let said = tokio::select! {
            message = down.message() => match message {
                Ok(Some(message)) => {
                    heard = Instant::now();
                    take(context, id, host, message, &client, &out).await;
                    Ok(())
                }
                Ok(None) => return Ended::HungUp { host: host.into() },
                Err(status) => return refused(host, &status),
            },
            event = events.recv() => match event {
                Ok(event) => out.say(up::Kind::Event(wire::event_out(&event))).await,
                Err(RecvError::Lagged(_)) => out.say(up::Kind::Hello(hello(context))).await,
                Err(RecvError::Closed) => std::future::pending().await,
            },
            Ok(()) = serving.changed() => out.say(up::Kind::Hello(hello(context))).await,
            Ok(()) = chosen.changed() => {
                let on = chosen.borrow_and_update().as_ref() == Some(id);
                if on == subscribed {
                    Ok(())
                } else {
                    subscribed = on;
                    out.say(up::Kind::Subscribe(Subscribe { on })).await
                }
            }
            _ = alive.tick() => out.say(up::Kind::Alive(UpAlive {})).await,
            () = sleep_until(heard + SILENCE) => return Ended::Silent { host: host.into() },
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
            let stamp = Stamp {
                epoch: update.epoch,
                revision: update.revision,
            };
            match wire::decode(update.snapshot) {
                Ok(snapshot) => {
                    let input = Input::Upstream(id.clone(), stamp, snapshot);
                    // A closed hub means that this agent is stopping.
                    let _ = context.hub.send(input).await;
                }
                Err(error) => {
                    tracing::warn!(manager = %id, %error, "view of the Swarm not understood");
                }
            }
        }
        Some(down::Kind::AskStats(ask)) => {
            let stats = (context.local_stats)();
            let out = out.clone();
            // Reading the kernel's counters must not hold up the session.
            tokio::spawn(async move {
                if let Ok(json) = serde_json::to_vec(&stats.await) {
                    let answer = StatsAnswer {
                        request_id: ask.request_id,
                        json: json.into(),
                    };
                    let _ = out.say(up::Kind::Stats(answer)).await;
                }
            });
        }
        None => {}
    }
}

fn hello(context: &Context) -> Hello {
    let info = context.info.borrow();
    let signs = context.own_signs.borrow();
    Hello {
        node_id: info.id.0.clone(),
        address: info.address.map(|a| a.to_string()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        datapath: (*context.serving.borrow()).to_owned(),
        signs: signs
            .iter()
            .map(|(task, sign)| TaskSign {
                task_id: task.0.clone(),
                sign: wire::sign_out(*sign).into(),
            })
            .collect(),
    }
}

fn refused(host: &str, status: &tonic::Status) -> Ended {
    Ended::Refused {
        host: host.to_owned(),
        reason: status.message().to_owned(),
    }
}

impl Ended {
    /// Fills in the host where the queue did not know it.
    fn at(self, host: &str) -> Self {
        match self {
            Self::Silent { .. } => Self::Silent { host: host.into() },
            Self::HungUp { .. } => Self::HungUp { host: host.into() },
            other => other,
        }
    }
}

/// The way up. A manager that does not read for [`SILENCE`] is gone.
#[derive(Clone)]
struct Out(mpsc::Sender<Up>);

impl Out {
    async fn say(&self, kind: up::Kind) -> Result<(), Ended> {
        let host = String::new();
        match timeout(SILENCE, self.0.send(Up { kind: Some(kind) })).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::HungUp { host }),
            Err(_) => Err(Ended::Silent { host }),
        }
    }
}
