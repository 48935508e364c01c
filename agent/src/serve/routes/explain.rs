//! `GET /v1/explain?client=ADDRESS[:PORT]&frontend=NODE:PORT[/tcp|udp]`.

use super::{Shared, answer, refuse};
use crate::serve::ApiError;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
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
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(reason) => {
            let message = format!(
                "the query cannot be read ({}): use client=ADDRESS:PORT and frontend=NODE:PORT",
                reason.body_text()
            );
            return refuse(StatusCode::BAD_REQUEST, message);
        }
    };
    let parsed = asked
        .client
        .parse()
        .and_then(|client| Ok((client, asked.frontend.parse()?)));
    match parsed {
        Ok((client, frontend)) => answer(source.explain(client, frontend).await),
        Err(error) => ApiError::from(error).into_response(),
    }
}
