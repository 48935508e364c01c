//! Which other sites may ask (<https://fetch.spec.whatwg.org/#http-cors-protocol>), as Traefik answers it.

use crate::answers::Answer;
use crate::route::Cors;
use crate::rule::TextPattern;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// The answer to a preflight request: OPTIONS with `Origin` and `Access-Control-Request-Method`. The task does not see it.
pub(super) fn preflight(cors: &Cors, method: &Method, request: &HeaderMap) -> Option<Answer> {
    let origin = request.get(ORIGIN)?;
    if *method != Method::OPTIONS || !request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut headers = HeaderMap::new();
    allow_origin(cors, Some(origin), &mut headers);
    set_list(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, &cors.methods);
    set_list(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers);
    if let Some(seconds) = cors.max_age_s {
        headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
    }
    Some(Answer {
        status: StatusCode::OK,
        headers,
        body: String::new(),
    })
}

/// Sets the fields of an answer. Where `Access-Control-Allow-Origin` is not for all sites, caches have to keep answers apart
/// by `vary`.
pub(super) fn respond(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    allow_origin(cors, origin, headers);
    set_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed);
    let said = headers.get_all(VARY).iter();
    let mut said = said.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if cors.vary && !said.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"origin")) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// Says whether the site may ask, and with its user's cookies.
fn allow_origin(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    let text = origin.and_then(|origin| origin.to_str().ok());
    let allowed = cors.origins.iter().find_map(|pattern| match pattern {
        TextPattern::Exact(any) if any == "*" => Some(HeaderValue::from_static("*")),
        pattern if text.is_some_and(|text| pattern.matches(text)) => origin.cloned(),
        _ => None,
    });
    if let Some(allowed) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    }
    if cors.credentials {
        headers.insert(
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
}

fn set_list(headers: &mut HeaderMap, name: HeaderName, list: &[String]) {
    if let Ok(value) = HeaderValue::from_str(&list.join(","))
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}
