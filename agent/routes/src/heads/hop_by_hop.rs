//! Hop-by-hop fields: those of one connection, which a proxy does not pass on (RFC 9110, section 7.6.1).

use super::forwarded::is_forwarded;
use super::tokens;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields that are removed whether or not `Connection` names them. Credentials for a proxy are for this one, which asks for
/// none. `Proxy` is no field at all, but programs behind CGI take it for their own proxy (CVE-2016-5385).
const ALWAYS: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("proxy"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes the hop-by-hop fields of a request. `TE: trailers` stays: gRPC asks for it. `Trailer` is removed:
/// [`prepare_trailers`](super::prepare_trailers) says which trailers pass.
pub(super) fn strip_request(headers: &mut HeaderMap) {
    let trailers = tokens(headers, TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
    strip(headers);
    headers.remove(TRAILER);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes the hop-by-hop fields of a task's answer. `Trailer` stays: trailers of answers pass, and hyper sends in HTTP/1.1
/// those that are named.
pub fn prepare_response(headers: &mut HeaderMap) {
    strip(headers);
}

fn strip(headers: &mut HeaderMap) {
    // One field is the rule. A value is a reference, and an empty list takes no memory.
    let mut values = headers.get_all(CONNECTION).iter();
    let first = values.next().cloned();
    let rest: Vec<HeaderValue> = values.cloned().collect();
    for value in first.iter().chain(&rest) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            if let Ok(name) = HeaderName::from_bytes(name.trim_ascii())
                && !stays(&name)
            {
                headers.remove(name);
            }
        }
    }
    for name in ALWAYS {
        headers.remove(name);
    }
}

/// Fields that stay although `Connection` names them: without them the message would mean something else, or would lose
/// what a trusted proxy says of its client.
fn stays(name: &HeaderName) -> bool {
    *name == HOST || *name == CONTENT_LENGTH || is_forwarded(name)
}

/// Does the answer begin an authentication of the connection, and not of requests (NTLM, and Kerberos as RFC 4559 has
/// it)? The task then takes all that comes on this connection for this client's: it must serve nobody else.
#[must_use]
pub fn binds_connection(response: &HeaderMap) -> bool {
    let challenges = response.get_all(WWW_AUTHENTICATE).iter();
    challenges.into_iter().any(|challenge| {
        let scheme = challenge.as_bytes().split(|byte| *byte == b' ').next();
        let scheme = scheme.unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
    })
}
