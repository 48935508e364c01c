//! Paths, queries and status codes.

use super::{Source, Unanswered};
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use lb_core::report::{Refusal, Scope, ServiceStats, Stats};
use serde::Deserialize;
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
            "/v1/nodes",
            get(async |State(source): Shared| answer(source.nodes())),
        )
        .route(
            "/v1/check",
            get(async |State(source): Shared| answer(source.check())),
        )
        .route("/v1/stats", get(stats))
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
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(reason) => {
            let sentence = format!(
                "the query cannot be read ({}): use scope=node or scope=cluster, and service=NAME",
                reason.body_text()
            );
            return refuse(StatusCode::BAD_REQUEST, sentence);
        }
    };
    let mut stats = match source.stats(asked.scope).await {
        Ok(stats) => stats,
        Err(why) => return why.into_response(),
    };
    if let Some(wanted) = asked.service {
        if !stats.services.iter().any(|s| is(s, &wanted)) {
            return refuse(StatusCode::NOT_FOUND, no_such_service(&wanted, &stats));
        }
        stats.services.retain(|s| is(s, &wanted));
    }
    Json(stats).into_response()
}

async fn unknown(uri: Uri) -> Response {
    refuse(
        StatusCode::NOT_FOUND,
        format!("this agent ({SERVER}) knows no {}", uri.path()),
    )
}

fn answer<T: serde::Serialize>(answer: Result<T, Unanswered>) -> Response {
    match answer {
        Ok(report) => Json(report).into_response(),
        Err(why) => why.into_response(),
    }
}

impl IntoResponse for Unanswered {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NothingKnown { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Counters(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        refuse(status, self.to_string())
    }
}

fn refuse(status: StatusCode, error: String) -> Response {
    (status, Json(Refusal { error })).into_response()
}

/// Docker takes names and ids alike.
fn is(service: &ServiceStats, wanted: &str) -> bool {
    service.name == wanted || service.id.0 == wanted
}

/// Says which names were probably meant, or which there are.
fn no_such_service(wanted: &str, stats: &Stats) -> String {
    const FEW: usize = 8;
    let names: Vec<&str> = stats.services.iter().map(|s| s.name.as_str()).collect();
    let start = format!("no service with a published port is called {wanted}");
    if names.is_empty() {
        return format!("{start}: no service has a published port");
    }
    let mut close: Vec<(f64, &str)> = names
        .iter()
        .map(|name| (likeness(wanted, name), *name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    close.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    if !close.is_empty() {
        let close: Vec<&str> = close.into_iter().take(3).map(|(_, name)| name).collect();
        return format!("{start}: did you mean {}?", close.join(" or "));
    }
    let few = names
        .iter()
        .take(FEW)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(FEW) {
        0 => format!("{start}: there are {few}"),
        more => format!("{start}: there are {few} and {more} more"),
    }
}

/// From 0 to 1. Services of stacks are called STACK_NAME, and people forget the stack.
fn likeness(wanted: &str, name: &str) -> f64 {
    let (wanted, name) = (wanted.to_lowercase(), name.to_lowercase());
    let within = wanted.len() > 2 && name.contains(&wanted);
    if within {
        0.95
    } else {
        strsim::jaro_winkler(&wanted, &name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(wanted: &str, names: &[&str]) -> String {
        let services = names
            .iter()
            .map(|name| ServiceStats {
                name: (*name).to_owned(),
                ..ServiceStats::default()
            })
            .collect();
        let stats = Stats {
            services,
            ..Stats::default()
        };
        no_such_service(wanted, &stats)
    }

    #[test]
    fn close_names_are_offered() {
        let names = ["shop_vote", "shop_result", "metrics"];
        assert_eq!(
            refusal("vote", &names),
            "no service with a published port is called vote: did you mean shop_vote?"
        );
        assert_eq!(
            refusal("metrisc", &names),
            "no service with a published port is called metrisc: did you mean metrics?"
        );
    }

    #[test]
    fn else_the_names_there_are() {
        assert_eq!(
            refusal("x", &["vote", "result"]),
            "no service with a published port is called x: there are vote, result"
        );
        let many: Vec<String> = (0..20).map(|n| format!("vote{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(refusal("x", &many).ends_with("vote6, vote7 and 12 more"));
        assert!(refusal("x", &[]).ends_with(": no service has a published port"));
    }
}
