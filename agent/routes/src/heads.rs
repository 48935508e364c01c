//! Heads of messages: which requests are refused at once, and which header fields pass between client and task.
//!
//! ```text
//! request ── check ──> Checked (host, path, kind), or a Refusal with its status
//! its fields ── prepare_request ──> what rules see and the task gets; Origin (client's address, request id)
//! fields of the task's answer ── prepare_response ──> what the client gets
//! trailers of a request ── prepare_trailers, where forwards_request_trailers says that they pass at all
//! ```
//!
//! Rules are matched after `prepare_request`, so that no rule and no filter looks at a field that a client has forged.

mod authority;
mod check;
mod client_address;
mod forwarded;
mod framing;
mod head;
mod hop_by_hop;
mod refusal;
mod trailers;
mod websocket;

pub use check::{Checked, check};
pub use client_address::{client_address, trusts};
pub use forwarded::{Downstream, FORWARDED_PREFIX, Origin, Policy};
pub use head::Head;
pub use hop_by_hop::{binds_connection, prepare_response};
pub use refusal::Refusal;
pub use trailers::{forwards_request_trailers, prepare_trailers};
pub use websocket::{answers_websocket, set_websocket};

use http::header::{COOKIE, EXPECT, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Makes of the fields that a client sent those that rules see and that the task gets.
///
/// * Hop-by-hop fields are removed (RFC 9110, section 7.6.1), and `Expect`: the router answers it itself, as hyper does
///   when the body is first asked for. Where the request is `websocket`, `Connection` and `Upgrade` are set anew
///   by [`set_websocket`], when it is known what is spoken with the task.
/// * Fields whose names contain `_` are removed: to applications behind CGI, WSGI and the like they are the same as those with
///   `-` (`X_Forwarded_For`).
/// * `Host` is set where HTTP/2 has `:authority` only, and the `Cookie` fields are joined to one (RFC 9113, section
///   8.2.3).
/// * `X-Forwarded-*`, `X-Real-Ip`, `X-Request-Id` and `Forwarded` are those of the router: [`Policy`] says what of the
///   client's is kept. `random` becomes the request's id where none is kept.
pub fn prepare_request(
    headers: &mut HeaderMap,
    checked: &Checked,
    downstream: &Downstream,
    policy: &Policy,
    random: u128,
) -> Origin {
    remove_underscores(headers);
    hop_by_hop::strip_request(headers);
    headers.remove(EXPECT);
    if let Some(authority) = &checked.authority {
        headers.insert(HOST, authority.clone());
    }
    join_cookies(headers);
    forwarded::set(headers, downstream, policy, random)
}

/// Removes the fields whose names contain `_`.
fn remove_underscores(headers: &mut HeaderMap) {
    let named = headers.keys().filter(|name| name.as_str().contains('_'));
    let named: Vec<HeaderName> = named.cloned().collect();
    for name in named {
        headers.remove(name);
    }
}

/// Makes one `Cookie` field of several.
fn join_cookies(headers: &mut HeaderMap) {
    let all = headers.get_all(COOKIE);
    if all.iter().nth(1).is_none() {
        return;
    }
    let values: Vec<&[u8]> = all.iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&values.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// The tokens of all values of a list field, without blanks around them (RFC 9110, section 5.6.1). A value that is not
/// ASCII has none.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests;
