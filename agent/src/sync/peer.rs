//! One session to a manager's agent, made again whenever it ends.

mod outbox;
mod session_end;

use super::local_stats::OwnStats;
use super::own_report::OwnReport;
use super::peer_table::{PeerState, PeerTable};
use super::problems::Problems;
use super::tls;
use super::view_store::Input;
use super::{HEARTBEAT_INTERVAL, PEER_TIMEOUT};
use crate::certs::CertificateState;
use crate::watch::poll_interval::random;
use lb_core::model::ids::NodeId;
use lb_core::retry::Backoff;
use lb_core::view::version_filter::SnapshotVersion;
use lb_wire::proto::{Down, SnapshotUpdate, StatsAnswer, Subscribe, UpAlive, down, up};
use outbox::Outbox;
use session_end::SessionEnd;
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;

/// During a start, an upgrade of the agents or a promotion, peers come and go.
const REPORT_AFTER: Duration = Duration::from_secs(3);

/// Sources and destinations of all sessions to managers' agents.
#[derive(Clone)]
pub(super) struct Channels {
    /// TCP port of all agents.
    pub(super) port: u16,
    /// This node's certificate.
    pub(super) certificate: watch::Receiver<CertificateState>,
    /// Reports about this node, for the managers.
    pub(super) own_report: OwnReport,
    /// This node's counters, for the managers.
    pub(super) own_stats: OwnStats,
    /// Store of the views that managers send.
    pub(super) view_store: mpsc::Sender<Input>,
    /// States of the sessions.
    pub(super) table: PeerTable,
    /// Problems of the sessions, for operators.
    pub(super) problems: Problems,
}

/// A manager, and the session to its agent.
pub(super) struct Peer {
    /// Id of the manager.
    pub(super) id: NodeId,
    /// Host of the manager.
    pub(super) host: String,
    /// The manager from which this node gets its view.
    pub(super) chosen: watch::Receiver<Option<NodeId>>,
    /// Sources and destinations of the session.
    pub(super) channels: Channels,
}

impl Peer {
    /// Keeps a session to the manager until dropped.
    pub(super) async fn keep(self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        let mut certificate = self.channels.certificate.clone();
        let mut worked = Instant::now();
        loop {
            let began = Instant::now();
            certificate.borrow_and_update();
            let ended = self.session().await;
            let mut was_up = false;
            self.channels.table.update(&self.id, |state| {
                was_up = state.up;
                *state = PeerState {
                    host: self.host.clone(),
                    trouble: Some(ended.to_string()),
                    ..PeerState::default()
                };
                true
            });
            backoff.worked(began.elapsed());
            let pause = backoff.failed(random());
            tracing::debug!(manager = %self.id, reason = %ended, retry_ms = pause.as_millis(), "session ended");
            if was_up {
                worked = Instant::now();
            } else if worked.elapsed() >= REPORT_AFTER {
                self.set_problem(Some(ended.to_string()));
            }
            tokio::select! {
                () = sleep(pause) => {}
                // A certificate that came or was renewed may be what was missing.
                Ok(()) = certificate.changed() => {}
            }
        }
    }

    /// Runs one session; returns why it ended.
    async fn session(&self) -> SessionEnd {
        let Channels {
            port,
            certificate,
            own_report,
            ..
        } = &self.channels;
        let host = self.host.as_str();
        let (mut client, expires) = match tls::dial(certificate, &self.id, host, *port).await {
            Ok(dialled) => dialled,
            Err(error) => return error.into(),
        };
        let (outbox, messages) = Outbox::new(host);
        // Before the tasks' health is read: an event in between is sent twice, and not lost.
        let mut events = own_report.events.subscribe();
        let mut own_datapath = own_report.datapath.clone();
        own_datapath.mark_unchanged();
        let opening = async {
            outbox.send_hellos(own_report).await?;
            let session = client.session(ReceiverStream::new(messages));
            let opened = session.await;
            opened.map_err(|status| SessionEnd::refused(host, &status))
        };
        let mut down = match timeout(PEER_TIMEOUT, opening).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(ended)) => return ended,
            Err(_) => return SessionEnd::silent(host),
        };
        let mut chosen = self.chosen.clone();
        chosen.mark_changed();
        let mut subscribed = false;
        let mut alive = interval(HEARTBEAT_INTERVAL);
        let mut last_received = Instant::now();
        let lasts = expires.duration_since(SystemTime::now());
        let expires = Instant::now() + lasts.unwrap_or_default();
        loop {
            let sent = tokio::select! {
                message = down.message() => match message {
                    Ok(Some(message)) => {
                        last_received = Instant::now();
                        self.handle(message, &client, &outbox).await;
                        Ok(())
                    }
                    Ok(None) => return SessionEnd::hung_up(host),
                    Err(status) => return SessionEnd::refused(host, &status),
                },
                event = events.recv() => match event {
                    Ok(event) => outbox.send(up::Kind::Event(lb_wire::event_out(&event))).await,
                    Err(RecvError::Lagged(_)) => outbox.send_hellos(own_report).await,
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                Ok(()) = own_datapath.changed() => outbox.send_hellos(own_report).await,
                Ok(()) = chosen.changed() => {
                    let on = chosen.borrow_and_update().as_ref() == Some(&self.id);
                    match subscription(subscribed, on) {
                        Some(subscribe) => {
                            subscribed = on;
                            outbox.send(up::Kind::Subscribe(subscribe)).await
                        }
                        None => Ok(()),
                    }
                }
                _ = alive.tick() => outbox.send(up::Kind::Alive(UpAlive {})).await,
                () = sleep_until(last_received + PEER_TIMEOUT) => return SessionEnd::silent(host),
                () = sleep_until(expires) => return SessionEnd::Expired { host: host.into() },
            };
            if let Err(ended) = sent {
                return ended;
            }
        }
    }

    /// Handles a message of the manager.
    async fn handle(&self, message: Down, client: &tls::Client, outbox: &Outbox) {
        match message.kind {
            Some(down::Kind::Alive(alive)) => self.heartbeat(alive.fresh, client),
            Some(down::Kind::Snapshot(update)) => self.snapshot(update).await,
            Some(down::Kind::AskStats(ask)) => self.stats(ask.request_id, outbox),
            None => {}
        }
    }

    fn heartbeat(&self, fresh: bool, client: &tls::Client) {
        let news = self.channels.table.update(&self.id, |state| {
            if state.up && state.fresh == fresh {
                return false;
            }
            state.up = true;
            state.fresh = fresh;
            state.trouble = None;
            state.client = Some(client.clone());
            true
        });
        if news {
            self.set_problem(None);
        }
    }

    async fn snapshot(&self, update: SnapshotUpdate) {
        let version = SnapshotVersion {
            epoch: update.epoch,
            revision: update.revision,
        };
        match lb_wire::decode(update.snapshot) {
            Ok(snapshot) => {
                let input = Input::Upstream(self.id.clone(), version, snapshot);
                // A closed view store means that this agent is stopping.
                let _ = self.channels.view_store.send(input).await;
            }
            Err(error) => {
                tracing::warn!(manager = %self.id, %error, "view of the Swarm not understood");
            }
        }
    }

    /// Answers a query for this node's counters; without any there is no answer.
    fn stats(&self, request_id: u64, outbox: &Outbox) {
        // Queries that come faster than they can be answered are dropped.
        let Some(permit) = outbox.begin_answer() else {
            return;
        };
        let own_stats = self.channels.own_stats.clone();
        let outbox = outbox.clone();
        // Reading the kernel's counters must not hold up the session.
        tokio::spawn(async move {
            let _permit = permit;
            if let Some(json) = own_stats.read_json().await {
                let answer = StatsAnswer {
                    request_id,
                    json: json.into(),
                };
                let _ = outbox.send(up::Kind::Stats(answer)).await;
            }
        });
    }

    /// Sets or clears the problem with this session.
    fn set_problem(&self, problem: Option<String>) {
        let object = format!("manager {}", self.host);
        self.channels.problems.set(&object, problem);
    }
}

/// What a manager is told after the choice of the source has changed: where it is the source (`on`), that its view is wanted, also
/// if it was told so before (`subscribed`). The choice may have gone to another one and back meanwhile, and the views that came
/// then were not taken: each subscription makes it send its view again.
fn subscription(subscribed: bool, on: bool) -> Option<Subscribe> {
    (subscribed || on).then_some(Subscribe { on })
}

#[test]
fn a_manager_that_is_chosen_again_is_asked_for_its_view_again() {
    let told = |subscribed, on| subscription(subscribed, on).map(|told| told.on);
    assert_eq!(told(false, true), Some(true));
    assert_eq!(told(true, true), Some(true));
    assert_eq!(told(true, false), Some(false));
    assert_eq!(told(false, false), None, "it is no business of its own");
}
