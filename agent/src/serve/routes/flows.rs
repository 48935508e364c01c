//! `GET /v1/flows?service=NAME&limit=N`.

use super::names::{is, no_such_service};
use super::{Shared, answer, parsed, refuse};
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lb_core::report::DEFAULT_FLOWS;
use lb_core::report::build::FlowFilter;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Asked {
    service: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn flows(
    State(source): Shared,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match parsed(asked, "service=NAME and limit=NUMBER") {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    let service = match asked.service {
        None => None,
        Some(wanted) => {
            let known = match source.services() {
                Ok(known) => known.services,
                Err(why) => return why.into_response(),
            };
            match known.iter().find(|s| is(&wanted, &s.name, &s.id)) {
                Some(service) => Some(service.id.clone()),
                None => {
                    let names = known.iter().map(|s| s.name.as_str());
                    return refuse(StatusCode::NOT_FOUND, no_such_service(&wanted, names));
                }
            }
        }
    };
    let asked = FlowFilter {
        service,
        limit: asked.limit.unwrap_or(DEFAULT_FLOWS),
    };
    answer(source.flows(asked).await)
}
