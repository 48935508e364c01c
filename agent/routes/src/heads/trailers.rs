//! Trailers of requests: fields after the body (RFC 9110, section 6.5).
//!
//! Some servers merge them into the header, where a client could so set what only the router sets. They are dropped, except
//! for gRPC, which is by HTTP/2 only, and whose servers keep them apart. Trailers of answers pass.

use super::forwarded::is_forwarded;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, Version};

/// Fields that are no trailers: they say where the message ends, where it goes, or who sends it (RFC 9110, section 6.5.1).
const NEVER: [HeaderName; 9] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    COOKIE,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Do the request's trailers pass to a task with which `version` is spoken?
#[must_use]
pub fn forwards_request_trailers(version: Version, headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let media_type = headers.get(CONTENT_TYPE);
    let begins = media_type.and_then(|it| it.as_bytes().get(..GRPC.len()));
    version >= Version::HTTP_2 && begins.is_some_and(|begins| begins.eq_ignore_ascii_case(GRPC))
}

/// Removes from trailers what has no place there, and what the router alone says.
pub fn prepare_trailers(trailers: &mut HeaderMap) {
    let forbidden = |name: &&HeaderName| {
        NEVER.contains(name) || is_forwarded(name) || name.as_str().contains('_')
    };
    let named: Vec<HeaderName> = trailers.keys().filter(forbidden).cloned().collect();
    for name in named {
        trailers.remove(name);
    }
}
