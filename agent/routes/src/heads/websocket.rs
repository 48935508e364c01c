//! The one upgrade that passes: to WebSocket (RFC 6455), by `Upgrade` in HTTP/1.1 and by CONNECT in HTTP/2 (RFC 8441).
//!
//! An upgrade to anything else is a tunnel past all rules: `Upgrade: h2c` makes of one request a connection on which the
//! task takes requests that the router does not see.

use super::{Head, tokens};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

/// Does the request of HTTP/1.1 ask for a WebSocket, and for nothing else beside it? Such a request is a GET without body.
pub(super) fn is_asked_for(head: &Head<'_>) -> bool {
    let length = head.headers.get(CONTENT_LENGTH);
    let has_body = head.headers.contains_key(TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0");
    let mut protocols = tokens(head.headers, UPGRADE);
    let mut options = tokens(head.headers, CONNECTION);
    head.version == Version::HTTP_11
        && head.method == Method::GET
        && !has_body
        && protocols.next().is_some_and(is_websocket)
        && protocols.next().is_none()
        && options.any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// Sets the fields by which HTTP/1.1 asks a task for a WebSocket, after [`prepare_request`](super::prepare_request). A client
/// of HTTP/2 has sent CONNECT, which is to become GET, and no key and no version: `random` becomes the key.
pub fn set_websocket(headers: &mut HeaderMap, random: u128) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if !headers.contains_key(SEC_WEBSOCKET_KEY)
        && let Ok(key) = HeaderValue::from_str(&STANDARD.encode(random.to_be_bytes()))
    {
        headers.insert(SEC_WEBSOCKET_KEY, key);
    }
    if !headers.contains_key(SEC_WEBSOCKET_VERSION) {
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
}

/// Has the task begun a WebSocket? To be asked before [`prepare_response`](super::prepare_response) and only of the answer
/// to a request that asked for one. To a client of HTTP/2, its 101 is to become 200, without `Sec-WebSocket-Accept` (RFC 8441,
/// section 5). Any other 101 is to become 502: nobody has asked for it.
#[must_use]
pub fn answers_websocket(status: StatusCode, response: &HeaderMap) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS && tokens(response, UPGRADE).any(is_websocket)
}

fn is_websocket(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("websocket")
}
