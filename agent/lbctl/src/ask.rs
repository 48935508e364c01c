//! Requests to the agent: HTTP/1.1 over its unix socket.

use crate::failure::Failure;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{HOST, SERVER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lb_core::report::ErrorBody;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// Time limit of a request, from connecting to the last byte.
const PATIENCE: Duration = Duration::from_secs(5);
/// Limit on a report, in bytes. One of ten thousand services with ten tasks each has some 40 MB.
const LONGEST: usize = 256 << 20;

/// The agent's socket.
#[derive(Debug)]
pub(crate) struct Agent {
    socket: PathBuf,
}

/// A complete answer.
struct Answer {
    status: StatusCode,
    /// Version of the agent, if it is one.
    version: Option<String>,
    body: Bytes,
}

impl Agent {
    pub(crate) fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// The report at `path`.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let answer = tokio::time::timeout(PATIENCE, self.fetch(path))
            .await
            .map_err(|_elapsed| Failure::Silent {
                path: self.socket.clone(),
                after: PATIENCE,
            })??;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body)
                .map_err(|error| self.stranger(answer.version, &error.to_string()));
        }
        match serde_json::from_slice::<ErrorBody>(&answer.body) {
            Ok(refusal) if answer.status == StatusCode::BAD_REQUEST => {
                Err(Failure::Misunderstood(refusal.error))
            }
            Ok(refusal) => Err(Failure::Refused(refusal.error)),
            Err(_) => Err(self.stranger(answer.version, "it refuses without a reason")),
        }
    }

    async fn fetch(&self, path: &str) -> Result<Answer, Failure> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.no_connection(error))?;
        let broken = |error: hyper::Error| self.stranger(None, &error.to_string());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // Errors of the connection come out of the request as well.
        let connection = tokio::spawn(connection);
        let request = Request::get(path)
            .header(HOST, "swarmlb")
            .body(Empty::<Bytes>::new())
            .map_err(|error| self.stranger(None, &error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let answer = self.whole(response).await;
        connection.abort();
        answer
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Answer, Failure> {
        let status = response.status();
        let version = response
            .headers()
            .get(SERVER)
            .and_then(|server| server.to_str().ok())
            .and_then(|server| server.strip_prefix("swarmlb/"))
            .map(str::to_owned);
        let body = Limited::new(response.into_body(), LONGEST)
            .collect()
            .await
            .map_err(|error| self.stranger(None, &error.to_string()))?
            .to_bytes();
        Ok(Answer {
            status,
            version,
            body,
        })
    }

    fn no_connection(&self, source: io::Error) -> Failure {
        let path = self.socket.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::NoAgent { path },
            io::ErrorKind::PermissionDenied => Failure::Denied { path },
            _ => Failure::Connect { path, source },
        }
    }

    /// The error for an answer that an agent of this version would not give: [`Failure::Version`] if it names another
    /// version.
    fn stranger(&self, version: Option<String>, reason: &str) -> Failure {
        let path = self.socket.clone();
        match version {
            Some(agent) if agent != env!("CARGO_PKG_VERSION") => Failure::Version { path, agent },
            _ => Failure::NotAnAgent {
                path,
                reason: reason.to_owned(),
            },
        }
    }
}
