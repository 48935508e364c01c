//! The engine's API socket.
//!
//! Lists are read by own, tolerant structs ([`super::model`]): bollard's enums are closed,
//! so one new word would fail a whole list, and its task model lacks fields. Requests bear
//! no version: engines 29.0 to 29.2 refuse the one that engine 20.10 speaks at most.

use super::engine_api::{NO_ENGINE, TASK_CONTAINERS};
use super::model;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::Stream;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

/// Time limit of a request. Without quorum an engine takes 20 s to say so: longer than the agent waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Limit on one answer, in bytes. Docker has none; this one keeps a faulty peer from using up the host's memory.
const MAX_ANSWER_BYTES: usize = 1 << 30;

/// How long a socket that is missing is waited for, in a directory that exists.
const MADE_WITHIN: Duration = Duration::from_secs(10);

/// Errors of the engine's socket. Each message is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The socket does not exist.
    #[error(
        "no Docker socket at {}: start `swarmlb engine-filter`, which makes one for the agent, or name the engine's own with --docker-socket",
        .0.display()
    )]
    NoSocket(PathBuf),
    /// The agent may not open the socket.
    #[error("the Docker socket {} may not be opened: run the agent as root", .0.display())]
    Permission(PathBuf),
    /// Nobody listens, or no answer came in time.
    #[error("the Docker engine at {} does not answer ({reason}): is dockerd running?", socket.display())]
    NotAnswering {
        /// The socket.
        socket: PathBuf,
        /// How the connection failed.
        reason: String,
    },
    /// The engine refused.
    #[error("the Docker engine refuses {path} with status {status}: {message}")]
    Refused {
        /// What was asked for.
        path: String,
        /// HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The answer is not what the API promises.
    #[error("the Docker engine's answer to {path} is not understood: {source}")]
    Malformed {
        /// What was asked for.
        path: String,
        /// Error of the JSON parser.
        source: serde_json::Error,
    },
}

/// The engine of this host.
#[derive(Clone, Debug)]
pub struct Docker {
    socket: PathBuf,
    bollard: bollard::Docker,
}

impl Docker {
    /// Checks that the socket is there and may be used; the engine behind it may still be starting.
    ///
    /// # Errors
    /// [`DockerError::NoSocket`] and [`DockerError::Permission`].
    pub async fn open(socket: &Path) -> Result<Self, DockerError> {
        let begin = Instant::now();
        let comes = || {
            let place = socket.parent().is_some_and(Path::is_dir);
            place && begin.elapsed() < MADE_WITHIN
        };
        let mut opened = UnixStream::connect(socket).await;
        while is_missing(&opened) && comes() {
            sleep(MADE_WITHIN / 100).await;
            opened = UnixStream::connect(socket).await;
        }
        match opened.map_err(|error| error.kind()) {
            Err(io::ErrorKind::NotFound) => return Err(DockerError::NoSocket(socket.to_owned())),
            Err(io::ErrorKind::PermissionDenied) => {
                return Err(DockerError::Permission(socket.to_owned()));
            }
            _ => {}
        }
        let bollard = bollard::Docker::connect_with_unix(
            &socket.to_string_lossy(),
            ANSWER_WITHIN.as_secs(),
            bollard::API_DEFAULT_VERSION,
        )
        .map_err(|_| DockerError::NoSocket(socket.to_owned()))?;
        Ok(Self {
            socket: socket.to_owned(),
            bollard,
        })
    }

    /// `/info`, its part about the Swarm.
    pub(crate) async fn info(&self) -> Result<model::Info, DockerError> {
        self.get("/info").await
    }

    /// `/services`.
    pub(crate) async fn services(&self) -> Result<Vec<model::Service>, DockerError> {
        self.get("/services").await
    }

    /// `/tasks`, all of them: a filter by service fails as soon as that service is removed.
    pub(super) async fn tasks(&self) -> Result<Vec<model::Task>, DockerError> {
        self.get("/tasks").await
    }

    /// `/nodes`.
    pub(super) async fn nodes(&self) -> Result<Vec<model::Node>, DockerError> {
        self.get("/nodes").await
    }

    /// Running containers that belong to tasks.
    pub(super) async fn task_containers(&self) -> Result<Vec<model::Container>, DockerError> {
        self.get(TASK_CONTAINERS).await
    }

    /// The network `name` with its containers; without any if Docker has not made the network yet.
    pub(super) async fn network(&self, name: &str) -> Result<model::Network, DockerError> {
        match self.get(&format!("/networks/{name}")).await {
            Err(DockerError::Refused { status: 404, .. }) => Ok(model::Network::default()),
            other => other,
        }
    }

    /// Does the engine accept connections, but answer no request in time? It does so while it starts.
    pub(crate) async fn is_unresponsive(&self, within: Duration) -> bool {
        let takes = UnixStream::connect(&self.socket).await.is_ok();
        takes && !matches!(timeout(within, self.fetch("/_ping")).await, Ok(Ok(_)))
    }

    /// Events of the given types and actions, from `since` (seconds.nanoseconds, Unix) on.
    pub(super) fn events(
        &self,
        types: &[&str],
        actions: &[&str],
        since: String,
    ) -> impl Stream<Item = Result<EventMessage, DockerError>> + use<> {
        use futures_util::StreamExt;
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let filters = HashMap::from([
            ("type".to_owned(), words(types)),
            ("event".to_owned(), words(actions)),
        ]);
        let socket = self.socket.clone();
        self.bollard
            .events(Some(EventsOptions {
                since: Some(since),
                until: None,
                filters: Some(filters),
            }))
            .map(move |event| {
                event.map_err(|error| DockerError::NotAnswering {
                    socket: socket.clone(),
                    reason: root_cause(&error),
                })
            })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, DockerError> {
        let (status, body) = match timeout(ANSWER_WITHIN, self.fetch(path)).await {
            Ok(answer) => answer?,
            Err(_) => {
                return Err(self.silent(format!(
                    "no answer to {path} within {} s",
                    ANSWER_WITHIN.as_secs()
                )));
            }
        };
        if status == NO_ENGINE.as_u16() {
            return Err(self.silent(model::refusal(&body)));
        }
        if !(200..300).contains(&status) {
            return Err(DockerError::Refused {
                path: path.to_owned(),
                status,
                message: model::refusal(&body),
            });
        }
        serde_json::from_slice(&body).map_err(|source| DockerError::Malformed {
            path: path.to_owned(),
            source,
        })
    }

    async fn fetch(&self, path: &str) -> Result<(u16, Bytes), DockerError> {
        let stream =
            UnixStream::connect(&self.socket)
                .await
                .map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => DockerError::NoSocket(self.socket.clone()),
                    io::ErrorKind::PermissionDenied => DockerError::Permission(self.socket.clone()),
                    _ => self.silent(error.to_string()),
                })?;
        let silent = |error: hyper::Error| self.silent(root_cause(&error));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(silent)?;
        let request = hyper::Request::get(path)
            .header(hyper::header::HOST, "docker")
            .body(Empty::<Bytes>::new())
            .map_err(|error| self.silent(error.to_string()))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(silent)?;
            let status = response.status().as_u16();
            let body = http_body_util::Limited::new(response.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| self.silent(error.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        // Driven here, not in a task of its own: it ends with the request that it serves.
        tokio::pin!(connection, answer);
        tokio::select! {
            answer = &mut answer => answer,
            broken = &mut connection => match broken {
                Err(error) => Err(silent(error)),
                Ok(()) => answer.await,
            },
        }
    }

    fn silent(&self, reason: String) -> DockerError {
        DockerError::NotAnswering {
            socket: self.socket.clone(),
            reason,
        }
    }
}

fn is_missing(opened: &io::Result<UnixStream>) -> bool {
    let kind = opened.as_ref().err().map(io::Error::kind);
    kind == Some(io::ErrorKind::NotFound)
}

/// The innermost cause: what is wrapped around it names libraries, not what happened.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
