//! The check of a request's head: a request that two programs could read in two ways is refused.

use super::{Head, Refusal, authority, framing, websocket};
use crate::path::NormalPath;
use crate::rule::Host;
use http::{HeaderValue, Method, Version};

/// Largest number of header fields. A field costs a byte in HTTP/2, and about a hundred where it is kept.
const FIELDS: usize = 100;

/// Longest path and query, in bytes: about as much as servers take (RFC 9112, section 3 asks for 8,000 at least).
const TARGET: usize = 8190;

/// What is known of a request that is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The host that it is for.
    pub host: Host,
    /// Its path; `/` where the target is `*`.
    pub path: NormalPath,
    /// The target is `*`: OPTIONS of the server as a whole. Rules see the path `/`; the task gets `*` again.
    pub asterisk: bool,
    /// A WebSocket is asked for: by `Upgrade` in HTTP/1.1 (RFC 6455, section 4.1), by CONNECT in HTTP/2 (RFC 8441).
    /// Every other upgrade is ignored, as RFC 9110, section 7.8 allows: behind one, no rule would see anything.
    pub websocket: bool,
    /// `:authority` or the target's, where there is no field `Host`.
    pub(super) authority: Option<HeaderValue>,
}

/// Checks a request's head.
///
/// # Errors
/// When it is not valid, or not served, whatever the host is. The connection is to be closed after the answer, except
/// after 405.
pub fn check(head: Head<'_>) -> Result<Checked, Refusal> {
    if head.headers.len() > FIELDS {
        return Err(Refusal::ManyFields);
    }
    let extended_connect = head.method == Method::CONNECT
        && head.version >= Version::HTTP_2
        && head.protocol == Some("websocket");
    if head.method == Method::TRACE || head.method == Method::CONNECT && !extended_connect {
        return Err(Refusal::Method);
    }
    framing::check(head.version, head.headers)?;
    let scheme = head.uri.scheme_str();
    if !scheme.is_none_or(|scheme| matches!(scheme, "http" | "https")) {
        return Err(Refusal::Scheme);
    }
    let target = head.uri.path_and_query();
    if target.is_some_and(|target| target.as_str().len() > TARGET) {
        return Err(Refusal::LongTarget);
    }
    let (host, authority) = authority::host(&head)?;
    let asterisk = head.uri.path() == "*" && head.method == Method::OPTIONS;
    let path = if asterisk {
        NormalPath::root()
    } else {
        NormalPath::of(head.uri.path())?
    };
    let query = head.uri.query().unwrap_or_default();
    if !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Query);
    }
    Ok(Checked {
        host,
        path,
        asterisk,
        websocket: extended_connect || websocket::is_asked_for(&head),
        authority,
    })
}
