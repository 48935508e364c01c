//! The head of a request as a task gets it.

use super::answers::Refusal;
use crate::downstream::Client;
use http::header::{CONNECTION, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, request};
use lb_routes::path::NormalPath;
use lb_routes::route::Scheme;
use lb_routes::table::EntryPoint;

/// A request without its body; it can be sent more than once.
#[derive(Clone, Debug)]
pub(super) struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    version: Version,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

impl Head {
    /// From the client's.
    pub(super) fn of(
        parts: request::Parts,
        client: &Client,
        path: &NormalPath,
        scheme: Scheme,
    ) -> Result<Self, Refusal> {
        let mut headers = parts.headers;
        let authority = parts.uri.authority().map(|it| it.as_str().to_owned());
        remove_hop_by_hop(&mut headers);
        if let Some(authority) = authority {
            let host = HeaderValue::try_from(authority).map_err(|_| Refusal::Host)?;
            headers.insert(HOST, host);
        }
        if let Ok(address) = HeaderValue::try_from(client.address.to_string()) {
            headers.insert(FORWARDED_FOR, address);
        }
        let scheme_of_client = match client.entry_point {
            EntryPoint::Http => "http",
            EntryPoint::Https => "https",
        };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme_of_client));
        if let Some(host) = headers.get(HOST).cloned() {
            headers.insert(FORWARDED_HOST, host);
        }
        let uri = target(&parts.uri, path)?;
        let (uri, version) = match scheme {
            Scheme::H2c => (absolute(uri, &headers)?, Version::HTTP_2),
            Scheme::Http | Scheme::Https { .. } => (uri, Version::HTTP_11),
        };
        Ok(Self {
            method: parts.method,
            uri,
            headers,
            version,
        })
    }

    pub(super) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// May it be sent again when nobody knows whether a task has seen it (RFC 9110, section 9.2.2)?
    pub(super) fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }

    /// The request with a body.
    pub(super) fn with<B>(self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        *request.version_mut() = self.version;
        request
    }

    /// The head of a request that was not sent.
    pub(super) fn from_unsent<B>(request: Request<B>) -> (Self, B) {
        let (parts, body) = request.into_parts();
        let head = Self {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            version: parts.version,
        };
        (head, body)
    }
}

/// Fields that are for this connection alone (RFC 9110, section 7.6.1).
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        EXPECT,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

/// The target in origin form, with the path in the form that rules have seen.
fn target(uri: &Uri, path: &NormalPath) -> Result<Uri, Refusal> {
    let path_and_query = match (uri.path_and_query(), uri.query()) {
        (Some(same), _) if same.path() == path.as_str() => same.clone(),
        (_, Some(query)) => parsed(&format!("{}?{query}", path.as_str()))?,
        (_, None) => parsed(path.as_str())?,
    };
    Ok(Uri::from(path_and_query))
}

fn parsed(text: &str) -> Result<PathAndQuery, Refusal> {
    PathAndQuery::try_from(text).map_err(|_| Refusal::Path(lb_routes::path::PathError::Encoding))
}

/// The target with scheme and authority, as HTTP/2 has it.
fn absolute(uri: Uri, headers: &HeaderMap) -> Result<Uri, Refusal> {
    let mut parts = uri.into_parts();
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let host = host.and_then(|host| http::uri::Authority::try_from(host).ok());
    parts.authority = Some(host.ok_or(Refusal::Host)?);
    parts.scheme = Some(http::uri::Scheme::HTTP);
    Uri::from_parts(parts).map_err(|_| Refusal::Host)
}
