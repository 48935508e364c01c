//! One session, on the manager's side.

use super::acceptor::Caller;
use super::admission::Admission;
use super::budget::{self, Budget};
use super::session_registry::{Ask, SessionRegistry};
use super::view_store::{Input, PublishedView};
use super::{HEARTBEAT_INTERVAL, PEER_TIMEOUT};
use lb_core::model::ids::NodeId;
use lb_wire::proto::{AskStats, Down, DownAlive, Hello, SnapshotUpdate, Up, down, up};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep_until};
use tonic::{Status, Streaming};

/// Open queries to one agent; more are dropped.
const OPEN_QUESTIONS: usize = 8;

/// Time limit for a peer to read a message, which may be a whole view over a slow link.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Sources and destinations of all sessions.
#[derive(Clone)]
pub(super) struct Channels {
    /// Distinguishes this run of the agent from others.
    pub(super) epoch: u64,
    /// The view, for agents that subscribe to it.
    pub(super) views: watch::Receiver<Arc<PublishedView>>,
    /// Store of the agents' events and reports.
    pub(super) view_store: mpsc::Sender<Input>,
    /// Agents with a session.
    pub(super) registry: Arc<SessionRegistry>,
}

/// Serves the session of `caller` until either side ends it, or `admission` refuses the caller.
pub(super) async fn serve(
    channels: Channels,
    admission: Admission,
    caller: Caller,
    budget: Budget,
    mut up: Streaming<Up>,
    down: mpsc::Sender<Result<Down, Status>>,
) {
    let subject = &caller.subject;
    let _call = caller.begins();
    let (asks, mut questions) = mpsc::channel(OPEN_QUESTIONS);
    let (_guard, mut replaced) = channels.registry.register(&subject.node, asks);
    tracing::info!(node = %subject.node, "agent connected");
    let mut session = Session {
        node: subject.node.clone(),
        address: caller.from,
        subscribed: false,
        sent_revision: None,
        questions: VecDeque::new(),
        open: BTreeMap::new(),
        next_request: 0,
    };
    let mut views = channels.views.clone();
    views.mark_changed();
    let mut alive = interval(HEARTBEAT_INTERVAL);
    let mut last_received = Instant::now();
    let mut heartbeat_due = true;
    let mut last_sent = Instant::now();
    let end = loop {
        let view = views.borrow().clone();
        let due = session.due(&view, heartbeat_due);
        if due.is_none() {
            last_sent = Instant::now();
        }
        let ready = budget.ready();
        let reads = ready <= Instant::now();
        tokio::select! {
            // A peer over its budget is read later: only its own messages wait.
            () = sleep_until(ready), if !reads => {}
            message = up.message(), if reads => match message {
                Ok(Some(message)) => {
                    last_received = Instant::now();
                    budget.spend(session.cost(&message));
                    if let Some(input) = session.handle(message)
                        && channels.view_store.send(input).await.is_err()
                    {
                        break None;
                    }
                }
                Ok(None) => break None,
                Err(status) => break Some(status),
            },
            // Said when there is room for it, so a slow agent gets the newest view only.
            room = down.reserve(), if due.is_some() => {
                let (Ok(room), Some(due)) = (room, due) else { break None };
                last_sent = Instant::now();
                heartbeat_due &= !matches!(due, Due::Heartbeat);
                let kind = session.message(&due, channels.epoch, &view);
                room.send(Ok(Down { kind: Some(kind) }));
            }
            changed = views.changed() => match changed {
                // Whether this source is fresh decides whether it is the right one.
                Ok(()) => heartbeat_due = true,
                Err(_) => break Some(Status::unavailable("this agent is stopping")),
            },
            Some(question) = questions.recv() => session.questions.push_back(question),
            _ = alive.tick() => {
                heartbeat_due = true;
                if let Err(status) = admission.admit(&caller) {
                    break Some(status);
                }
            }
            _ = &mut replaced => {
                break Some(Status::aborted("a later session of this node has its place"));
            }
            () = sleep_until(last_sent + SEND_TIMEOUT), if due.is_some() => {
                break Some(Status::deadline_exceeded("this agent does not take what it is sent"));
            }
            () = sleep_until(last_received + PEER_TIMEOUT) => {
                break Some(Status::deadline_exceeded("no heartbeat from this agent"));
            }
        }
    };
    let reason = end.as_ref().map_or("it left", |status| status.message());
    tracing::info!(node = %subject.node, reason, "agent disconnected");
    if let Some(status) = end {
        let _ = down.try_send(Err(status));
    }
}

struct Session {
    node: NodeId,
    /// Address of its connection.
    address: IpAddr,
    subscribed: bool,
    sent_revision: Option<u64>,
    questions: VecDeque<Ask>,
    open: BTreeMap<u64, Ask>,
    next_request: u64,
}

/// The next message.
enum Due {
    Question,
    View,
    Heartbeat,
}

impl Session {
    /// Cost of a message, in units of the node's budget.
    fn cost(&self, message: &Up) -> u32 {
        match &message.kind {
            Some(up::Kind::Hello(_)) => budget::HELLO,
            // An answer without a query.
            Some(up::Kind::Stats(answer)) if !self.open.contains_key(&answer.request_id) => {
                budget::HELLO
            }
            _ => 1,
        }
    }

    fn handle(&mut self, message: Up) -> Option<Input> {
        match message.kind? {
            up::Kind::Hello(hello) => Some(self.hello(hello)),
            up::Kind::Event(event) => {
                Some(Input::Event(self.node.clone(), lb_wire::event_in(event)?))
            }
            up::Kind::Subscribe(subscribe) => {
                self.subscribed = subscribe.on;
                self.sent_revision = None;
                None
            }
            up::Kind::Stats(answer) => {
                let waiting = self.open.remove(&answer.request_id)?;
                match serde_json::from_slice(&answer.json) {
                    Ok(stats) => drop(waiting.send(stats)),
                    Err(error) => {
                        tracing::warn!(node = %self.node, %error, "traffic not understood");
                    }
                }
                None
            }
            up::Kind::Alive(_) => None,
        }
    }

    fn hello(&self, hello: Hello) -> Input {
        let version: String = hello.version.chars().take(32).collect();
        tracing::debug!(node = %self.node, version, "agent said hello");
        // The certificate, not the message, says which node this is.
        let mut told = lb_wire::report_in(hello);
        // Only the address of its connection is believed.
        told.address = told.address.filter(|address| self.address == *address);
        Input::Hello(self.node.clone(), told)
    }

    fn due(&mut self, view: &PublishedView, heartbeat_due: bool) -> Option<Due> {
        // A caller may have given up meanwhile.
        self.questions.retain(|question| !question.is_closed());
        if !self.questions.is_empty() {
            Some(Due::Question)
        } else if self.subscribed && self.sent_revision != Some(view.revision) {
            Some(Due::View)
        } else {
            heartbeat_due.then_some(Due::Heartbeat)
        }
    }

    fn message(&mut self, due: &Due, epoch: u64, view: &PublishedView) -> down::Kind {
        match due {
            Due::Question => {
                self.open.retain(|_, waiting| !waiting.is_closed());
                self.next_request += 1;
                if let Some(question) = self.questions.pop_front() {
                    self.open.insert(self.next_request, question);
                }
                down::Kind::AskStats(AskStats {
                    request_id: self.next_request,
                })
            }
            Due::View => {
                self.sent_revision = Some(view.revision);
                down::Kind::Snapshot(SnapshotUpdate {
                    epoch,
                    revision: view.revision,
                    snapshot: view.encoded(),
                })
            }
            Due::Heartbeat => down::Kind::Alive(DownAlive { fresh: view.fresh }),
        }
    }
}
