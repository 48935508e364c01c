//! A request's head, as values.

use http::{HeaderMap, Method, Uri, Version};

/// A request's head as the server has read it, before anything of it is changed.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target (HTTP/1.1), or `:scheme`, `:authority` and `:path` (HTTP/2).
    pub uri: &'a Uri,
    /// The version in which the client speaks.
    pub version: Version,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// `:protocol` of an extended CONNECT (RFC 8441, section 4).
    pub protocol: Option<&'a str>,
}
