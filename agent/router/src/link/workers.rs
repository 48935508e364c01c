//! The workers, as the link tells them what changes.

use super::listeners::Listeners;
use crate::routing::Step;
use crate::serve::{self, Update};
use crate::tls::Tls;
use crate::worker::Serving;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::{self, LocalOptions};
use tokio::sync::mpsc;

/// The threads that serve.
pub(crate) struct Workers {
    tls: Tls,
    updates: Vec<mpsc::UnboundedSender<Update>>,
}

/// How the workers end.
pub(crate) struct Threads {
    updates: Vec<mpsc::UnboundedSender<Update>>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    /// No new connections; those that are open end so that no request is lost. Returns when all threads have ended.
    pub(crate) fn drain(self) {
        for updates in self.updates {
            // One that has failed is told by its thread.
            let _ = updates.send(Update::Drain);
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker has failed");
            }
        }
    }
}

impl Workers {
    /// Starts so many threads.
    ///
    /// # Errors
    /// When the kernel has none.
    pub(crate) fn start(
        count: usize,
        settings: &Serving,
        tls: &Tls,
        grace: Duration,
    ) -> io::Result<(Self, Threads)> {
        let mut ends = Threads {
            updates: Vec::new(),
            threads: Vec::new(),
        };
        for number in 0..count {
            let (updates, receiver) = mpsc::unbounded_channel();
            let thread = thread::Builder::new().name(format!("worker-{number}"));
            let (settings, tls) = (settings.clone(), tls.clone());
            let (failed, started) = std::sync::mpsc::sync_channel(1);
            let run = move || {
                // It stays on the thread on which it was made, as its tasks do.
                let mut builder = runtime::Builder::new_current_thread();
                match builder.enable_all().build_local(LocalOptions::default()) {
                    Ok(runtime) => {
                        drop(failed);
                        serve::run(runtime, settings, tls, receiver, grace);
                    }
                    Err(error) => drop(failed.send(error)),
                }
            };
            ends.threads.push(thread.spawn(run)?);
            if let Ok(error) = started.recv() {
                return Err(error);
            }
            ends.updates.push(updates);
        }
        let workers = Self {
            tls: tls.clone(),
            updates: ends.updates.clone(),
        };
        Ok((workers, ends))
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.updates.len()).unwrap_or(u32::MAX)
    }

    /// Gives each its sockets.
    pub(super) fn listen(&self, listeners: &Listeners) {
        for (number, updates) in self.updates.iter().enumerate() {
            let of_worker = listeners.of_worker(number, self.updates.len());
            // A worker ends only after the link.
            let _ = updates.send(Update::Listeners(of_worker));
        }
    }

    /// This is routed from now on: returns once each worker has it.
    pub(super) async fn route(&self, step: &Step) {
        self.tls.use_routing(step.routing.clone());
        let (in_force, mut all) = mpsc::channel(1);
        for updates in &self.updates {
            let _ = updates.send(Update::Routing(step.clone(), in_force.clone()));
        }
        drop(in_force);
        // Nothing is ever sent: it ends when the last worker has dropped its sender.
        let _ = all.recv().await;
    }
}
