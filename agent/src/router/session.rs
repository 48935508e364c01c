//! One router, from its Hello on: it gets the routes, then the sockets, and from then on what changes of both.
//!
//! A router is not trusted: strangers talk to it. It holds up nobody but itself. A message waits for its reader, and views
//! that come meanwhile replace each other; nothing else is kept for a router.

use super::connection::{Connection, SessionEnd};
use super::feed::Feed;
use super::{Shared, lock};
use lb_core::report::RouterReport;
use lb_router_wire::{ToAgent, ToRouter};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout};

/// Time limit from the connection to the router's Hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// Least time between two whole views that a router asks for: each costs as much as all services.
const WHOLE_VIEW_INTERVAL: Duration = Duration::from_secs(2);
/// Of a router's version, so many bytes are kept.
const VERSION: usize = 40;

/// Serves one router until it goes, or does what it may not.
pub(super) async fn serve(stream: UnixStream, shared: Arc<Shared>) -> SessionEnd {
    let mut connection = Connection::new(stream);
    let hello = match timeout(HELLO_WITHIN, begin(&mut connection, &shared)).await {
        Ok(Ok(hello)) => hello,
        Ok(Err(end)) => return end,
        Err(_) => return SessionEnd::Silent,
    };
    let offered = connection.take_sockets();
    shared.change_listeners(|listeners| {
        let adopted = listeners.adopt(offered);
        let made = listeners.fill(hello.workers);
        adopted || made
    });
    tracing::info!(
        version = hello.version,
        workers = hello.workers,
        "router connected"
    );
    let session = Session {
        connection,
        workers: hello.workers,
        entry: Entry::new(&shared, hello),
        shared,
        feed: Feed::default(),
        whole_view_at: None,
        last_whole_view: None,
        sockets_sent: None,
    };
    session.run().await
}

/// What a router says of itself.
struct Hello {
    version: String,
    workers: usize,
}

async fn begin(connection: &mut Connection, shared: &Shared) -> Result<Hello, SessionEnd> {
    let hello = ToRouter::Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: shared.hostname.clone(),
        stats: true,
    };
    connection.send(hello, &[]).await?;
    match connection.receive().await? {
        ToAgent::Hello {
            mut version,
            workers,
            ..
        } => {
            version.truncate(version.floor_char_boundary(VERSION));
            let workers = usize::try_from(workers).unwrap_or(usize::MAX);
            let workers = workers.clamp(1, super::listeners::SOCKETS);
            Ok(Hello { version, workers })
        }
        ToAgent::Applied(_) | ToAgent::Resend | ToAgent::Stats(_) | ToAgent::Certificates(_) => {
            Err(SessionEnd::Order)
        }
    }
}

/// A router that has said who it is.
struct Session {
    connection: Connection,
    shared: Arc<Shared>,
    workers: usize,
    entry: Entry,
    feed: Feed,
    /// The router asked for a whole view, which is sent then.
    whole_view_at: Option<Instant>,
    last_whole_view: Option<Instant>,
    /// Which of the sockets' changes the router knows.
    sockets_sent: Option<u64>,
}

impl Session {
    async fn run(mut self) -> SessionEnd {
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    /// Sends what is due, and waits for the next reason to do so.
    async fn step(&mut self) -> Result<(), SessionEnd> {
        let mut views = self.shared.view.subscribe();
        let mut sockets = self.shared.sockets_changed.subscribe();
        views.borrow_and_update();
        sockets.borrow_and_update();
        self.send_view().await?;
        self.send_sockets().await?;
        let far = Instant::now() + Duration::from_secs(3600);
        let retry = lock(&self.shared.listeners).lacks_any();
        let retry_at = Instant::now() + super::RETRY;
        tokio::select! {
            message = self.connection.receive() => self.take(message?)?,
            _ = views.changed() => {}
            _ = sockets.changed() => {}
            () = sleep_until(self.whole_view_at.unwrap_or(far)) => {}
            () = sleep_until(retry_at), if retry => {
                let workers = self.workers;
                self.shared.change_listeners(|listeners| listeners.fill(workers));
            }
        }
        Ok(())
    }

    fn take(&mut self, message: ToAgent) -> Result<(), SessionEnd> {
        match message {
            ToAgent::Hello { .. } => return Err(SessionEnd::Order),
            ToAgent::Applied(version) => {
                let mut routers = lock(&self.shared.routers);
                if let Some(router) = routers.get_mut(&self.entry.number) {
                    router.applied = Some(version);
                }
            }
            ToAgent::Resend => {
                let now = Instant::now();
                let next = self
                    .last_whole_view
                    .map_or(now, |last| last + WHOLE_VIEW_INTERVAL);
                self.whole_view_at = Some(next.max(now));
            }
            ToAgent::Stats(stats) => {
                let mut counted = lock(&self.shared.counted);
                // A router is one process: it is counted once.
                if *self.entry.instance.get_or_insert_with(|| {
                    counted.begin(stats.instance);
                    stats.instance
                }) != stats.instance
                {
                    return Err(SessionEnd::Order);
                }
                counted.take(stats);
            }
            ToAgent::Certificates(told) => {
                lock(&self.shared.certificates).take(self.entry.number, told);
            }
        }
        Ok(())
    }

    /// Brings the router to the newest view, if there is one.
    async fn send_view(&mut self) -> Result<(), SessionEnd> {
        if let Some(at) = self.whole_view_at {
            if Instant::now() < at {
                return Ok(());
            }
            self.whole_view_at = None;
            self.feed.restart();
        }
        let Some(view) = self.shared.view.borrow().clone() else {
            return Ok(());
        };
        for message in self.feed.next(&view) {
            if matches!(message, ToRouter::View(_)) {
                self.last_whole_view = Some(Instant::now());
            }
            self.connection.send(message, &[]).await?;
        }
        Ok(())
    }

    /// Gives the router all sockets, if it does not have all of them. Not before it has routes: it would answer clients
    /// that it knows no host.
    async fn send_sockets(&mut self) -> Result<(), SessionEnd> {
        let changes = *self.shared.sockets_changed.borrow();
        if self.sockets_sent == Some(changes) || self.last_whole_view.is_none() {
            return Ok(());
        }
        let sockets = lock(&self.shared.listeners).sockets(self.workers);
        let (listeners, sockets): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
        self.connection
            .send(ToRouter::Listeners(listeners), &sockets)
            .await?;
        self.sockets_sent = Some(changes);
        Ok(())
    }
}

/// The router's entry among those that are connected; dropping it removes the entry.
struct Entry {
    shared: Arc<Shared>,
    number: u64,
    /// Under which number it is counted, once it has said so.
    instance: Option<u64>,
}

impl Entry {
    fn new(shared: &Arc<Shared>, hello: Hello) -> Self {
        let number = shared.next_number();
        let report = RouterReport {
            version: hello.version,
            workers: u32::try_from(hello.workers).unwrap_or(u32::MAX),
            applied: None,
        };
        lock(&shared.routers).insert(number, report);
        Self {
            shared: Arc::clone(shared),
            number,
            instance: None,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.shared.routers).remove(&self.number);
        lock(&self.shared.certificates).end(self.number);
        if let Some(instance) = self.instance {
            lock(&self.shared.counted).end(instance);
        }
        self.shared.note_end();
    }
}

#[cfg(test)]
mod tests;
