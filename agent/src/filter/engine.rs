//! The engine's side of the filter.

use super::asked::Asked;
use super::refusal;
use crate::watch::engine_api::NO_ENGINE;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Body of an answer, streamed.
pub(super) type Answer = BoxBody<Bytes, hyper::Error>;

/// Time limit of an answer. Without quorum an engine answers after 20 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);

/// The engine's answer.
pub(super) async fn ask(docker: &Path, asked: &Asked) -> Response<Answer> {
    let silent = |reason: String| refusal(NO_ENGINE, &reason);
    match timeout(ANSWER_WITHIN, answer(docker, asked)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(reason)) => silent(reason),
        Err(_) => silent(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
    }
}

async fn answer(docker: &Path, asked: &Asked) -> Result<Response<Answer>, String> {
    let stream = UnixStream::connect(docker)
        .await
        .map_err(|error| format!("{}: {error}", docker.display()))?;
    let said = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
    // It ends with the answer's body, also when the client does not read the rest of that.
    tokio::spawn(connection);
    let request = Request::get(asked.path().as_ref())
        .header(header::HOST, "docker")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let (head, body) = sender
        .send_request(request)
        .await
        .map_err(said)?
        .into_parts();
    if head.status.is_informational() {
        return Err(format!("it wants to speak otherwise ({})", head.status));
    }
    let mut response = Response::new(body.boxed());
    *response.status_mut() = head.status;
    if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, kind.clone());
    }
    Ok(response)
}
