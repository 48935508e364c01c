//! Filter between the agent and the engine's socket: passes the requests that an agent sends, and refuses
//! all others.
//!
//! A process that may write to that socket has the rights of root on this host, and on a manager over the whole
//! Swarm. So a separate process holds it, without a network address and without capabilities, and passes nine
//! kinds of requests ([`asked`]). Numbers, sizes and times are bounded for all clients.

mod asked;
mod engine;

use crate::cli;
use crate::serve::{BindError, SocketFile, take};
use asked::Asked;
use engine::Answer;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

/// Limit on connections; an agent has five or six at once.
const CONNECTIONS: usize = 32;
/// Limit on the head of a request; an agent's has some 400 bytes.
const HEAD_BYTES: usize = 8 << 10;
const HEADERS: usize = 16;
/// Time limit from a connection to the end of its request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(2);
/// Least time between two log messages about refused requests.
const COMPLAIN_EVERY: Duration = Duration::from_secs(1);
/// Grace period: after the signal to stop, the filter goes on while an agent is connected, which is being stopped too
/// and asks for the reason. Less than `stop_grace_period` in deploy/stack.yml, more than the agent's own.
const LINGERS: Duration = Duration::from_secs(28);
/// An agent that is still running connects again within this time.
const IDLE: Duration = Duration::from_millis(500);

/// Reasons for which the filter can't run.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The socket for the agent could not be taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Signal handlers could not be installed.
    #[error("signals can't be received")]
    Signals(#[source] std::io::Error),
}

/// Runs the filter until it got a signal to stop and no agent is connected.
///
/// # Errors
/// When it can't start.
pub async fn run(settings: cli::Filter) -> Result<(), FilterError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(FilterError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(FilterError::Signals)?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve(settings.common.docker_socket, &settings.socket, stop).await
}

/// Passes requests on the socket at `own` to the engine at `docker`, until `stop` and then for as long as a client
/// is connected.
async fn serve(
    docker: PathBuf,
    own: &Path,
    stop: impl Future<Output = ()>,
) -> Result<(), FilterError> {
    let (listener, file) = take(own, true, 0o600).await?;
    tracing::info!(socket = %own.display(), engine = %docker.display(), "filtering");
    let proxy = Arc::new(Proxy {
        docker,
        places: Arc::new(Semaphore::new(CONNECTIONS)),
        refused: Refused::default(),
    });
    let left = async {
        stop.await;
        proxy.left(&file).await;
    };
    tokio::select! {
        () = proxy.serve(&listener) => {}
        () = left => {}
    }
    Ok(())
}

/// State that all connections share.
struct Proxy {
    docker: PathBuf,
    places: Arc<Semaphore>,
    refused: Refused,
}

impl Proxy {
    /// Never returns.
    async fn serve(self: &Arc<Self>, listener: &UnixListener) {
        loop {
            // A client without a place waits in the listener's queue, which is bounded.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let proxy = Arc::clone(self);
                    tokio::spawn(async move {
                        proxy.connection(stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be taken");
                    sleep(COMPLAIN_EVERY).await;
                }
            }
        }
    }

    /// One request: an agent makes a connection for each.
    async fn connection(&self, stream: UnixStream) {
        let answer = service_fn(async |request| Ok::<_, Infallible>(self.answer(request).await));
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEADERS)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), answer)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        let asked = Asked::of(request.method(), request.uri());
        // A request of an agent has no body, and asks for no other protocol.
        let bare =
            request.body().is_end_stream() && !request.headers().contains_key(header::UPGRADE);
        match asked.filter(|_| bare) {
            Some(asked) => engine::ask(&self.docker, &asked).await,
            None => {
                self.refused.count(&request);
                refusal(
                    StatusCode::FORBIDDEN,
                    "the filter before the engine lets only an agent's questions through",
                )
            }
        }
    }

    /// Returns once no client has been connected for [`IDLE`], or another process has taken the socket.
    async fn left(&self, file: &SocketFile) {
        let gone = async {
            let mut busy = Instant::now();
            while busy.elapsed() < IDLE && file.is_ours() {
                sleep(IDLE / 10).await;
                if self.places.available_permits() < CONNECTIONS - 1 {
                    busy = Instant::now();
                }
            }
        };
        // After that the engine would kill it.
        let _ = timeout(LINGERS, gone).await;
    }
}

/// Number of refused requests, and time of the last log message about them.
#[derive(Default)]
struct Refused {
    all: AtomicU64,
    said: std::sync::Mutex<Option<Instant>>,
}

impl Refused {
    fn count(&self, request: &Request<Incoming>) {
        let all = self.all.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok(mut said) = self.said.lock() else {
            return;
        };
        if said.is_none_or(|said| said.elapsed() >= COMPLAIN_EVERY) {
            *said = Some(Instant::now());
            let path: String = request.uri().path().chars().take(100).collect();
            tracing::warn!(method = %request.method(), path, refused = all, "request refused");
        }
    }
}

/// An answer of the filter itself, in the engine's form.
fn refusal(status: StatusCode, message: &str) -> Response<Answer> {
    let body = serde_json::json!({ "message": message }).to_string();
    let body = Full::from(body).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
