//! The loop: the only place that knows the sources, the pure core and the kernel at once.
//!
//! One owner of all that changes. Whatever happens, the answer is the same turn:
//! look at what shall be and what is, take the steps between. Others read what the
//! last turn left in [`desk`].

mod beat;
mod datapath;
mod desk;
mod leave;
mod turn;

use crate::cli;
use crate::links::{self, Changes, LinksError};
use crate::sentence::causes;
use crate::serve::{self, BindError};
use crate::sync::{self, Feed, StartError};
pub use datapath::{ChooseError, clean};
use desk::Desk;
use lb_core::kernel::ObserveError;
use lb_core::node::Node;
use lb_core::report::Problem;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};
use turn::Turns;

/// The bridge through which tasks reach the world.
const BRIDGE: &str = "docker_gwbridge";
/// News that come together are taken together.
const COALESCE: Duration = Duration::from_millis(2);
/// A failed step is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// The kernel is looked at, whether or not there are news.
const REFRESH: Duration = Duration::from_secs(30);
/// How long the first facts about this host may take.
const FIRST_FACTS: Duration = Duration::from_secs(30);

/// Why the agent can't run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The sources.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The kernel's side.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// The operator's socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The uplink.
    #[error(transparent)]
    Links(#[from] LinksError),
    /// The maps.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// Not in a Swarm.
    #[error("{0}")]
    NoSwarm(String),
    /// Docker's socket is there, and says nothing of use.
    #[error("Docker did not say within 30 s who this host is in the Swarm: {0}")]
    Silent(String),
    /// No signals.
    #[error("signals can't be received")]
    Signals(#[source] std::io::Error),
}

/// Runs the agent until it is told to stop.
///
/// # Errors
/// When it can't start. Once it runs, nothing ends it but a signal: what fails is
/// tried again, and what was programmed stays.
pub async fn run(settings: cli::Run) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let desk = Arc::new(Desk::new());
    let mut feed = sync::start(
        sync::Settings {
            docker_socket: settings.docker_socket.clone(),
            certificates: settings.certificates.clone(),
            listen: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: settings.port,
        },
        Desk::local_stats(&desk),
    )
    .await?;
    // Nothing is put into the kernel before it is known that it can be of use.
    first_facts(&mut feed).await?;
    let node = node(&feed, &settings).await?;
    let listener = serve::bind(&settings.socket).await?;
    let datapath = datapath::choose(&settings)?;
    desk.open(&feed, &*datapath)?;
    feed.serves_by(datapath.name());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        node = %node.id,
        datapath = datapath.name(),
        uplink = node.uplink.as_ref().map_or("", |link| link.name.as_str()),
        "serving"
    );

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let answers = tokio::spawn(listener.serve(
        Arc::clone(&desk) as Arc<dyn serve::Source>,
        async {
            let _ = stopped.await;
        },
    ));
    let mut agent = Agent {
        settings,
        desk,
        alone: Some(datapath.name()),
        turns: Some(Turns::new(datapath)),
        next: Instant::now(),
        look: Instant::now(),
        beat: Instant::now(),
    };
    let mut changes = links::changes()?;
    loop {
        tokio::select! {
            wake = agent.wait(&mut feed, &mut changes) => agent.act(wake, &mut feed).await,
            _ = terminate.recv() => {
                feed.told_to_stop().await;
                tokio::select! {
                    () = agent.last_turns(&mut feed, &mut changes) => {}
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                break;
            }
            _ = interrupt.recv() => break,
        }
    }
    agent.leave(&feed);
    drop(stop);
    let _ = answers.await;
    Ok(())
}

struct Agent {
    settings: cli::Run,
    desk: Arc<Desk>,
    /// Name of the datapath, until it is known to be the only one.
    alone: Option<&'static str>,
    /// None once everything was removed.
    turns: Option<Turns>,
    /// When to take a turn without news.
    next: Instant,
    /// When to look at the kernel instead of trusting memory.
    look: Instant,
    /// When to let the datapath know that the agent lives.
    beat: Instant,
}

/// Why the loop goes round.
enum Wake {
    /// It is time for [`beat::beat`].
    Beat,
    /// There are news, or it is time to look without.
    News,
}

impl Agent {
    async fn act(&mut self, wake: Wake, feed: &mut Feed) {
        match wake {
            Wake::Beat => self.beat(),
            Wake::News => self.step(feed).await,
        }
    }

    fn beat(&mut self) {
        self.beat = Instant::now() + beat::EVERY;
        let Some(turns) = &mut self.turns else { return };
        match turns.beat(self.settings.lease) {
            Ok(true) => self.next = Instant::now(),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = causes(&error), "the lease could not be renewed"),
        }
    }

    /// News are taken note of only once this returns: whoever waits for it must not let go
    /// of it for something that is not the end.
    async fn wait(&self, feed: &mut Feed, changes: &mut Changes) -> Wake {
        tokio::select! {
            _ = feed.snapshot.changed() => {}
            _ = feed.local.changed() => {}
            () = changes.next() => {}
            () = sleep_until(self.next) => return Wake::News,
            () = sleep_until(self.beat) => return Wake::Beat,
        }
        tokio::time::sleep(COALESCE).await;
        Wake::News
    }

    async fn step(&mut self, feed: &mut Feed) {
        let now = Instant::now();
        self.next = now + RETRY;
        if self.removed(feed) {
            self.clean();
        }
        let Some(turns) = &mut self.turns else { return };
        if now >= self.look {
            turns.look_again();
            self.look = now + REFRESH;
        }
        let node = match node(feed, &self.settings).await {
            Ok(node) => node,
            Err(error) => {
                self.desk.trouble(Problem {
                    object: "uplink".to_owned(),
                    sentence: causes(&error),
                });
                return;
            }
        };
        let snapshot = Arc::clone(&feed.snapshot.borrow_and_update());
        match turns.turn(&snapshot, &node, &self.settings.config()) {
            Ok(mut outcome) => {
                if outcome.in_sync {
                    feed.holds(std::mem::take(&mut outcome.held));
                    self.next = self.look;
                    self.take_over();
                }
                self.desk.put(snapshot, node, outcome);
            }
            Err(error) => {
                turns.look_again();
                tracing::warn!(error = causes(&error), "turn failed");
                self.desk.trouble(Problem {
                    object: "kernel".to_owned(),
                    sentence: causes(&error),
                });
            }
        }
    }
}

impl Agent {
    /// Once this datapath serves, what an earlier agent's other one left is in its way.
    fn take_over(&mut self) {
        let Some(serving) = self.alone.take() else {
            return;
        };
        if let Err(error) = clean(&self.settings.bpffs.bpffs, Some(serving)) {
            tracing::warn!(
                error = causes(&error),
                "what another datapath left can't be removed"
            );
        }
    }
}

/// Waits until this host's engine has said who it is.
async fn first_facts(feed: &mut Feed) -> Result<(), RunError> {
    let known = async {
        loop {
            let facts = Arc::clone(&feed.local.borrow_and_update());
            if facts.member {
                return Ok(());
            }
            if let Some(sentence) = &facts.sentence {
                return Err(RunError::NoSwarm(sentence.clone()));
            }
            if feed.local.changed().await.is_err() {
                return Err(RunError::Silent("its watcher ended".to_owned()));
            }
        }
    };
    match tokio::time::timeout(FIRST_FACTS, known).await {
        Ok(known) => known,
        Err(_) => Err(RunError::Silent("is the engine starting?".to_owned())),
    }
}

/// What this host is now.
async fn node(feed: &Feed, settings: &cli::Run) -> Result<Node, LinksError> {
    let facts = Arc::clone(&feed.local.borrow());
    let links = links::read(facts.address, &settings.uplink, BRIDGE).await?;
    // With a named uplink, the tunnel speaks from an address of that device.
    let address = facts.address.filter(|address| links.own.contains(address));
    Ok(Node {
        id: facts.id.clone(),
        address: address.or_else(|| links.own.first().copied()),
        uplink: Some(links.uplink),
        others: links.others,
        bridge: links.bridge,
        network: links::network(),
        bridges: links.bridges,
        ports: links.ports,
        addresses: links.addresses,
        tasks: facts.tasks.clone(),
    })
}
