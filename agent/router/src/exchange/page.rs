//! Answers of the router itself.

use crate::body::ResponseBody;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use lb_routes::answers::{Answer, Problem};
use lb_routes::heads::{Origin, Refusal};

/// An answer of `lb-routes`.
pub(super) fn answer(answer: Answer) -> Response<ResponseBody> {
    let length = HeaderValue::from(answer.body.len());
    let mut response = Response::new(ResponseBody::page(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

/// The page for a problem with a request.
pub(super) fn problem(
    problem: &Problem<'_>,
    request: &HeaderMap,
    origin: &Origin,
) -> Response<ResponseBody> {
    let id = origin.request_id.to_str().unwrap_or_default();
    answer(Answer::problem(problem, request, id))
}

/// The page for a head that is refused. What comes after it on the connection may be anything, so it is closed.
pub(super) fn refused<B>(
    refusal: Refusal,
    request: &Request<B>,
    random: u128,
) -> Response<ResponseBody> {
    let id = format!("{random:032x}");
    let problem = Problem::Refused(refusal);
    let mut response = answer(Answer::problem(&problem, request.headers(), &id));
    if request.version() < Version::HTTP_2 && refusal != Refusal::Method {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}
