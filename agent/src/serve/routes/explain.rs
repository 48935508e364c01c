//! `GET /v1/explain?client=ADDRESS[:PORT]&frontend=NODE:PORT[/tcp|udp]`.

use super::{Shared, answer, parsed};
use crate::serve::ApiError;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Asked {
    client: String,
    frontend: String,
}

pub(super) async fn explain(
    State(source): Shared,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match parsed(asked, "client=ADDRESS:PORT and frontend=NODE:PORT") {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    let question = asked
        .client
        .parse()
        .and_then(|client| Ok((client, asked.frontend.parse()?)));
    match question {
        Ok((client, frontend)) => answer(source.explain(client, frontend).await),
        Err(error) => ApiError::from(error).into_response(),
    }
}
