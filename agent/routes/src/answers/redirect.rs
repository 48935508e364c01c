//! Redirects: to another URL, or to another scheme.
//!
//! The path is in normal form, and the URL is absolute, so that no path of a request becomes another host.

use super::Answer;
use crate::path::NormalPath;
use crate::route::Redirect;
use crate::rule::Host;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::net::Ipv6Addr;

/// To `base`, a URL without a slash at its end, with the path and query of the request. Status 302. `None` if that is no
/// URL for a field, which is to become 500.
#[must_use]
pub fn elsewhere(base: &str, path: &NormalPath, query: Option<&str>) -> Option<Answer> {
    answer(StatusCode::FOUND, &format!("{base}{}", target(path, query)))
}

/// To the place of the request, by another scheme and port. `None` where the client has come by that scheme
/// (`client_https`, as `X-Forwarded-Proto` says it): a redirect would lead it back here, for ever.
#[must_use]
pub fn to_scheme(
    redirect: &Redirect,
    client_https: bool,
    method: &Method,
    host: &Host,
    path: &NormalPath,
    query: Option<&str>,
) -> Option<Answer> {
    if redirect.https == client_https {
        return None;
    }
    let scheme = if redirect.https { "https" } else { "http" };
    let own = if redirect.https { 443 } else { 80 };
    let port = redirect.port.filter(|port| *port != own);
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    let target = target(path, query);
    let url = if host.as_str().parse::<Ipv6Addr>().is_ok() {
        format!("{scheme}://[{host}]{port}{target}")
    } else {
        format!("{scheme}://{host}{port}{target}")
    };
    // 301 and 302 let browsers make a GET of a POST (RFC 9110, section 15.4).
    let keeps_method = *method != Method::GET && *method != Method::HEAD;
    let status = match (redirect.permanent, keeps_method) {
        (true, false) => StatusCode::MOVED_PERMANENTLY,
        (true, true) => StatusCode::PERMANENT_REDIRECT,
        (false, false) => StatusCode::FOUND,
        (false, true) => StatusCode::TEMPORARY_REDIRECT,
    };
    answer(status, &url)
}

fn target(path: &NormalPath, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_string(),
    }
}

fn answer(status: StatusCode, url: &str) -> Option<Answer> {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(LOCATION, HeaderValue::from_str(url).ok()?);
    Some(Answer {
        status,
        headers,
        body: String::new(),
    })
}
