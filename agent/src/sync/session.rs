//! One session, on the manager's side.

use super::context::Context;
use super::hub::{Input, Told, View};
use super::seats::Ask;
use super::wire::proto::{AskStats, Down, DownAlive, Hello, SnapshotUpdate, Up, down, up};
use super::{ALIVE_EVERY, SILENCE, server, wire};
use crate::certs::Subject;
use lb_core::ids::{NodeId, TaskId};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until};
use tonic::{Status, Streaming};

/// Questions that one agent can have open; more are dropped.
const OPEN_QUESTIONS: usize = 8;

/// Serves the session of the agent on node `subject` until either side ends it.
pub(super) async fn serve(
    context: Context,
    subject: Subject,
    mut up: Streaming<Up>,
    down: mpsc::Sender<Result<Down, Status>>,
) {
    let (asks, mut questions) = mpsc::channel(OPEN_QUESTIONS);
    let _seat = context.seats.take(&subject.node, asks);
    tracing::info!(node = %subject.node, "agent connected");
    let mut session = Session {
        node: subject.node.clone(),
        subscribed: false,
        sent_revision: None,
        questions: VecDeque::new(),
        open: BTreeMap::new(),
        next_request: 0,
    };
    let mut views = context.views.clone();
    views.mark_changed();
    let mut alive = interval(ALIVE_EVERY);
    let mut heard = Instant::now();
    let mut life_sign_due = true;
    let end = loop {
        let view = views.borrow().clone();
        let due = session.due(&view, life_sign_due);
        tokio::select! {
            message = up.message() => match message {
                Ok(Some(message)) => {
                    heard = Instant::now();
                    if let Some(input) = session.take(message)
                        && context.hub.send(input).await.is_err()
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
                life_sign_due &= !matches!(due, Due::LifeSign);
                let kind = session.say(&due, &context, &view);
                room.send(Ok(Down { kind: Some(kind) }));
            }
            changed = views.changed() => match changed {
                // Whether this source is fresh decides whether it is the right one.
                Ok(()) => life_sign_due = true,
                Err(_) => break Some(Status::unavailable("this agent is stopping")),
            },
            Some(question) = questions.recv() => session.questions.push_back(question),
            _ = alive.tick() => {
                life_sign_due = true;
                if let Err(status) = server::admit(&context, &subject) {
                    break Some(status);
                }
            }
            () = sleep_until(heard + SILENCE) => {
                break Some(Status::deadline_exceeded("no sign of life from this agent"));
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
    subscribed: bool,
    sent_revision: Option<u64>,
    questions: VecDeque<Ask>,
    open: BTreeMap<u64, Ask>,
    next_request: u64,
}

/// What to say next.
enum Due {
    Question,
    View,
    LifeSign,
}

impl Session {
    fn take(&mut self, message: Up) -> Option<Input> {
        match message.kind? {
            up::Kind::Hello(hello) => Some(self.hello(hello)),
            up::Kind::Event(event) => Some(Input::Event(self.node.clone(), wire::event_in(event)?)),
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
        tracing::debug!(node = %self.node, version = hello.version, "agent said hello");
        let signs = hello.signs.into_iter().map(|sign| {
            let held = wire::sign_in(sign.sign());
            (TaskId(sign.task_id), held)
        });
        // The certificate, not the message, says which node this is.
        let told = Told {
            address: hello.address.parse().ok(),
            datapath: Some(hello.datapath).filter(|name| !name.is_empty()),
            signs: signs.collect(),
        };
        Input::Hello(self.node.clone(), told)
    }

    fn due(&mut self, view: &View, life_sign: bool) -> Option<Due> {
        // Whoever asked may have given up meanwhile.
        self.questions.retain(|question| !question.is_closed());
        if !self.questions.is_empty() {
            Some(Due::Question)
        } else if self.subscribed && self.sent_revision != Some(view.revision) {
            Some(Due::View)
        } else {
            life_sign.then_some(Due::LifeSign)
        }
    }

    fn say(&mut self, due: &Due, context: &Context, view: &View) -> down::Kind {
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
                    epoch: context.epoch,
                    revision: view.revision,
                    snapshot: view.encoded(),
                })
            }
            Due::LifeSign => down::Kind::Alive(DownAlive { fresh: view.fresh }),
        }
    }
}
