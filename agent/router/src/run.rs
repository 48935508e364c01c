//! The router from its start to its end.

use crate::access_log::{AccessLog, Format};
use crate::limits::Limits;
use crate::link::{Link, Telling, Workers};
use crate::memory;
use crate::open_files;
use crate::stats::Sums;
use crate::tls::{Directories, Tls};
use crate::worker::Serving;
use ipnet::IpNet;
use lb_routes::heads::Policy;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Time between two looks at the directories of certificates.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(2);

/// What a router is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The agent's unix socket.
    pub agent: PathBuf,
    /// Threads that serve.
    pub workers: usize,
    /// Directories with certificates and their keys.
    pub certificates: Vec<PathBuf>,
    /// How long open connections may go on after a signal to stop.
    pub grace: Duration,
    /// Limits and timeouts.
    pub limits: Limits,
    /// Bytes of memory that the router may hold; `None`: as many as its control group or the machine has.
    pub memory: Option<u64>,
    /// Networks of other proxies, whose `X-Forwarded-*` are kept.
    pub trusted: Vec<IpNet>,
    /// Tasks get `Forwarded` (RFC 7239), too.
    pub forwarded: bool,
    /// Networks of balancers whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Vec<IpNet>,
    /// Form of the access log.
    pub access_log: Format,
    /// Its lines have the queries of requests.
    pub access_log_query: bool,
}

/// Why the router does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No thread.
    #[error("the router's threads cannot be started: {0}")]
    Threads(#[source] io::Error),
    /// No TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// No runtime or signals.
    #[error("the router cannot wait for signals: {0}")]
    Runtime(#[source] io::Error),
}

/// Runs until SIGTERM or SIGINT; then the connections that are open end with their next answer.
///
/// # Errors
/// [`RunError`].
pub fn run(settings: &Settings) -> Result<(), RunError> {
    let workers = settings.workers.max(1);
    let most = settings.limits.connections.max(settings.limits.requests);
    open_files::raise(workers.saturating_mul(most));
    let tls = Tls::new()?;
    let (log, writer) = match settings.access_log {
        Format::Off => (None, None),
        format => AccessLog::start(format, io::stdout())
            .map(|(mut log, writer)| {
                log.query = settings.access_log_query;
                (Some(log), Some(writer))
            })
            .map_err(RunError::Threads)?,
    };
    let memory = settings.memory.unwrap_or_else(memory::limit);
    tracing::info!(mib = memory >> 20, "memory that the router may hold");
    let sums = Arc::<Mutex<Sums>>::default();
    let serving = Serving {
        limits: settings.limits,
        memory: Some(memory),
        forwarded: Policy {
            trusted: settings.trusted.clone(),
            forwarded: settings.forwarded,
        },
        proxy_protocol: settings.proxy_protocol.clone(),
        log: log.clone(),
        sums: sums.clone(),
    };
    let (workers, threads) =
        Workers::start(workers, &serving, &tls, settings.grace).map_err(RunError::Threads)?;
    drop(serving);
    let mut link = Link::new(
        &settings.agent,
        workers,
        Telling::new(sums, log, tls.clone()),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate()).map_err(RunError::Runtime)?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(RunError::Runtime)?;
        let stopped = async {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
            tracing::info!("stopping: open connections end with their next answer");
            // Tasks come and go meanwhile: the link goes on.
            let _ = tokio::task::spawn_blocking(|| threads.drain()).await;
        };
        tokio::select! {
            never = link.follow() => match never {},
            never = follow_certificates(&tls, settings.certificates.clone()) => match never {},
            () = stopped => Ok::<(), RunError>(()),
        }
    })?;
    runtime.block_on(link.last_words());
    drop(link);
    if let Some(writer) = writer {
        writer.finish();
    }
    Ok(())
}

/// Uses the certificates in these directories, and what takes their place. The first time it does so before it waits for
/// anything, and so before the agent can say what is served: no handshake comes before its certificate.
async fn follow_certificates(tls: &Tls, paths: Vec<PathBuf>) -> Infallible {
    let mut directories = Directories::new(paths);
    loop {
        if let Some(certificates) = directories.changed() {
            tls.use_certificates(certificates);
        }
        tokio::time::sleep(CERTIFICATES_EVERY).await;
    }
}
