//! `GET /v1/explain-request?url=URL[&method=METHOD][&header=NAME:VALUE]…[&client=ADDRESS]`.

use super::{Shared, answer, parsed};
use crate::serve::ApiError;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lb_core::explain::RequestQuery;

const USAGE: &str =
    "url=URL, and method=METHOD, client=ADDRESS and header=NAME:VALUE, which may be there again";

/// Names and values, in order: a field may be sent twice.
type Pairs = Vec<(String, String)>;

pub(super) async fn explain(
    State(source): Shared,
    asked: Result<Query<Pairs>, QueryRejection>,
) -> Response {
    let pairs = match parsed(asked, USAGE) {
        Ok(pairs) => pairs,
        Err(refusal) => return refusal.into_response(),
    };
    let all = |wanted: &'static str| {
        let named = pairs.iter().filter(move |(name, _)| name == wanted);
        named.map(|(_, value)| value.as_str())
    };
    let Some(url) = all("url").next() else {
        let error = format!("the query has no url: use {USAGE}");
        return super::refuse(StatusCode::BAD_REQUEST, error);
    };
    let (method, client) = (all("method").next(), all("client").next());
    match RequestQuery::new(url, method, all("header"), client) {
        Ok(query) => answer(source.explain_request(&query)),
        Err(error) => ApiError::from(error).into_response(),
    }
}
