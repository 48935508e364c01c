//! The connection to the node's agent: what is routed, and the sockets to accept on.
//!
//! The router looks for the agent for ever. While there is none it goes on with what it knows. To the next agent it
//! brings the sockets that it has, so that nobody who waits in their queues is lost.

mod channel;
mod listeners;
mod telling;
mod workers;

pub(crate) use telling::Telling;
pub(crate) use workers::Workers;

use crate::routing::Store;
use channel::{Channel, ChannelError};
use lb_router_wire::{ToAgent, ToRouter};
use listeners::Listeners;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two attempts to reach the agent.
const PAUSE: Duration = Duration::from_millis(200);

/// How long the last numbers may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the router has from its agents.
pub(crate) struct Link {
    socket: PathBuf,
    workers: Workers,
    store: Store,
    listeners: Listeners,
    /// It is known what is routed: until then nobody is accepted, who would be told that there is nothing.
    routed: bool,
    telling: Telling,
}

impl Link {
    /// A link to the agent that answers on this unix socket.
    pub(crate) fn new(socket: &Path, workers: Workers, telling: Telling) -> Self {
        Self {
            socket: socket.to_owned(),
            workers,
            store: Store::default(),
            listeners: Listeners::default(),
            routed: false,
            telling,
        }
    }

    /// Follows one agent after the other.
    pub(crate) async fn follow(&mut self) -> Infallible {
        let mut logged = false;
        loop {
            match Channel::connect(&self.socket).await {
                Ok(channel) => {
                    let error = self.session(channel).await;
                    tracing::warn!(%error, "the agent is gone: routes stay as they are");
                    logged = false;
                }
                Err(error) if !logged => {
                    let socket = self.socket.display();
                    tracing::warn!(%socket, %error, "no agent answers; does it run with --router on?");
                    logged = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes what an agent says, until it is gone or says what nobody understands.
    async fn session(&mut self, mut channel: Channel) -> ChannelError {
        self.telling.restart();
        loop {
            if let Err(error) = self.step(&mut channel).await {
                return error;
            }
        }
    }

    async fn step(&mut self, channel: &mut Channel) -> Result<(), ChannelError> {
        if !channel.greeted {
            let (listeners, sockets) = self.listeners.to_send();
            let hello = ToAgent::Hello {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                workers: self.workers.count(),
                listeners,
            };
            channel.send(hello, &sockets).await?;
            channel.greeted = true;
        }
        let message = tokio::select! {
            message = channel.receive() => message?,
            () = self.telling.due() => {
                for message in self.telling.next(&self.store) {
                    channel.send(message, &[]).await?;
                }
                return Ok(());
            }
        };
        match message {
            ToRouter::Hello {
                version,
                hostname,
                stats,
            } => {
                self.telling.asked(stats);
                tracing::info!(version, hostname, "connected to the agent");
            }
            ToRouter::Listeners(listeners) => {
                let sockets = channel.take_sockets(listeners.len())?;
                self.listeners.replace(&listeners, sockets);
                if self.routed {
                    self.workers.listen(&self.listeners);
                }
            }
            ToRouter::View(view) => {
                let (version, began) = (view.version, Instant::now());
                self.workers.route(&self.store.view(view)).await;
                self.telling.applied(began.elapsed());
                if !self.routed {
                    self.routed = true;
                    self.workers.listen(&self.listeners);
                }
                channel.send(ToAgent::Applied(version), &[]).await?;
            }
            ToRouter::Change(change) => {
                let (version, began) = (change.to, Instant::now());
                match self.store.change(change) {
                    Ok(step) => {
                        self.workers.route(&step).await;
                        self.telling.applied(began.elapsed());
                        channel.send(ToAgent::Applied(version), &[]).await?;
                    }
                    Err(gap) => {
                        tracing::warn!(%gap, "a change is missing: all routes are asked for");
                        channel.send(ToAgent::Resend, &[]).await?;
                    }
                }
            }
            ToRouter::Leaving(tasks) => {
                let step = self.store.leaving(&tasks);
                self.workers.route(&step).await;
            }
        }
        Ok(())
    }

    /// Tells the agent what was counted until the end, in a session of its own: those of before have ended.
    pub(crate) async fn last_words(&mut self) {
        let told = tokio::time::timeout(LAST_WORDS, async {
            let mut channel = Channel::connect(&self.socket).await?;
            self.telling.restart();
            while !self.telling.has_told() {
                self.step(&mut channel).await?;
            }
            Ok::<_, ChannelError>(())
        });
        match told.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the agent does not know the last numbers"),
            Err(_) => tracing::debug!("the agent does not take the last numbers"),
        }
    }
}
