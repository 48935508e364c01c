//! Paths, queries and status codes.

mod explain;
mod explain_request;
mod flows;
mod names;

use super::{ApiError, Source};
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use lb_core::report::{ErrorBody, Scope};
use names::{is, no_such_service};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lets a client of another version say so instead of guessing.
const SERVER: &str = concat!("swarmlb/", env!("CARGO_PKG_VERSION"));

type Shared = State<Arc<dyn Source>>;

/// Everything that is answered, and refusals for the rest.
pub(super) fn routes(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route(
            "/v1/status",
            get(async |State(source): Shared| Json(source.status())),
        )
        .route(
            "/v1/services",
            get(async |State(source): Shared| answer(source.services())),
        )
        .route(
            "/v1/routes",
            get(async |State(source): Shared| answer(source.routes())),
        )
        .route(
            "/v1/nodes",
            get(async |State(source): Shared| answer(source.nodes())),
        )
        .route(
            "/v1/check",
            get(async |State(source): Shared| answer(source.check())),
        )
        .route("/v1/stats", get(stats))
        .route(
            "/v1/drops",
            get(async |State(source): Shared| answer(source.drops().await)),
        )
        .route("/v1/flows", get(flows::flows))
        .route("/v1/explain", get(explain::explain))
        .route("/v1/explain-request", get(explain_request::explain))
        .fallback(unknown)
        .method_not_allowed_fallback(async || {
            refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET is answered here: nothing can be changed through this socket".to_owned(),
            )
        })
        .layer(axum::middleware::map_response(
            async |mut answer: Response| {
                answer
                    .headers_mut()
                    .insert(header::SERVER, HeaderValue::from_static(SERVER));
                answer
            },
        ))
        .with_state(source)
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    scope: Scope,
    service: Option<String>,
}

async fn stats(State(source): Shared, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let asked = match parsed(asked, "scope=node or scope=cluster, and service=NAME") {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    let mut stats = match source.stats(asked.scope).await {
        Ok(stats) => stats,
        Err(why) => return why.into_response(),
    };
    if let Some(wanted) = asked.service {
        let http = stats.http.iter().flat_map(|http| &http.routes);
        let http = http.map(|it| (it.service_name.as_str(), &it.service));
        let services = stats.services.iter().map(|it| (it.name.as_str(), &it.id));
        let known: BTreeMap<_, _> = http.chain(services).collect();
        if !known.iter().any(|(name, id)| is(&wanted, name, id)) {
            let names = known.into_keys().filter(|name| !name.is_empty());
            return refuse(StatusCode::NOT_FOUND, no_such_service(&wanted, names));
        }
        stats.services.retain(|s| is(&wanted, &s.name, &s.id));
        if let Some(http) = &mut stats.http {
            http.routes
                .retain(|it| is(&wanted, &it.service_name, &it.service));
        }
    }
    Json(stats).into_response()
}

async fn unknown(uri: Uri) -> Response {
    refuse(
        StatusCode::NOT_FOUND,
        format!("this agent ({SERVER}) knows no {}", uri.path()),
    )
}

fn answer<T: serde::Serialize>(answer: Result<T, ApiError>) -> Response {
    match answer {
        Ok(report) => Json(report).into_response(),
        Err(why) => why.into_response(),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NothingKnown { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Question(_) | Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::KernelDecides | Self::RouterOff => StatusCode::NOT_IMPLEMENTED,
            Self::Counters(_) | Self::Maps(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        refuse(status, self.to_string())
    }
}

/// Status and body of a refused request.
type Refusal = (StatusCode, Json<ErrorBody>);

/// The parameters of a query, which has the form of `usage`.
fn parsed<T>(query: Result<Query<T>, QueryRejection>, usage: &str) -> Result<T, Refusal> {
    query.map(|Query(asked)| asked).map_err(|reason| {
        let reason = reason.body_text();
        let error = format!("the query cannot be read ({reason}): use {usage}");
        (StatusCode::BAD_REQUEST, Json(ErrorBody { error }))
    })
}

fn refuse(status: StatusCode, error: String) -> Response {
    (status, Json(ErrorBody { error })).into_response()
}
