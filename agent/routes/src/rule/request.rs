//! What rules look at of a request.

use super::host::Host;
use crate::path::NormalPath;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::net::IpAddr;

/// A request, as rules see it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The host that it is for.
    pub host: &'a Host,
    /// Its path, without query.
    pub path: &'a NormalPath,
    /// Its query as it came, without `?`.
    pub query: &'a str,
    /// Its method.
    pub method: &'a Method,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// The client's address.
    pub client: IpAddr,
}

impl<'a> Request<'a> {
    /// Values that the query has for a key, decoded as forms are (`application/x-www-form-urlencoded`, WHATWG URL,
    /// section 5.1).
    pub(super) fn query_values(&self, key: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.filter_map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name) == key).then(|| decoded(value))
        })
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaces = text.replace('+', " ");
        Cow::Owned(percent_decode_str(&spaces).decode_utf8_lossy().into_owned())
    } else {
        percent_decode_str(text).decode_utf8_lossy()
    }
}
