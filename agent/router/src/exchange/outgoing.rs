//! The head of a request as a task gets it.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use http_body::Body;
use lb_routes::filters::Chain;
use lb_routes::heads;
use std::net::SocketAddr;

/// A request without its body; it can be sent more than once.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    /// In origin form, or `*`.
    target: Uri,
    pub(super) headers: HeaderMap,
    /// The task sees the `Host` that the client sent, and not its own address.
    pub(super) pass_host: bool,
}

impl Head {
    /// From a request that has passed the filters; `None` if its target has become none.
    pub(super) fn of(parts: &Parts, chain: &Chain<'_>, pass_host: bool) -> Option<Self> {
        let mut target = Uri::from(chain.target(&parts.uri)?);
        // Of `http://host#fragment` it would be written as nothing, though `PathAndQuery` says that it is `/`.
        if target.path().is_empty() {
            target = Uri::from(PathAndQuery::from_static("/"));
        }
        Some(Self {
            method: parts.method.clone(),
            target,
            headers: parts.headers.clone(),
            pass_host,
        })
    }

    /// The request to one task, by HTTP/1.1 or HTTP/2. `None` if its host is none.
    pub(super) fn to<B: Body>(
        mut self,
        task: SocketAddr,
        version: Version,
        scheme: Scheme,
        body: B,
    ) -> Option<Request<B>> {
        if !self.pass_host {
            let host = HeaderValue::try_from(task.to_string()).ok()?;
            self.headers.insert(HOST, host);
        }
        let target = if version == Version::HTTP_2 {
            let host = self.headers.remove(HOST)?;
            let mut parts = self.target.into_parts();
            parts.authority = Some(Authority::try_from(host.as_bytes()).ok()?);
            parts.scheme = Some(scheme);
            Uri::from_parts(parts).ok()?
        } else {
            self.target
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = target;
        *request.headers_mut() = self.headers;
        *request.version_mut() = version;
        // Without it, hyper leaves out a body of unknown length where methods have none as a rule, such as GET.
        if version < Version::HTTP_2
            && !request.body().is_end_stream()
            && request.body().size_hint().exact().is_none()
        {
            let chunked = HeaderValue::from_static("chunked");
            request.headers_mut().insert(TRANSFER_ENCODING, chunked);
        }
        Some(request)
    }

    /// Makes the fields those by which HTTP/1.1 asks for a WebSocket.
    pub(super) fn ask_for_websocket(&mut self, random: u128) {
        self.headers.remove(CONTENT_LENGTH);
        heads::set_websocket(&mut self.headers, random);
    }

    /// The head with these header fields in place of its own.
    pub(super) fn with(&self, headers: HeaderMap) -> Self {
        Self {
            method: self.method.clone(),
            target: self.target.clone(),
            headers,
            pass_host: self.pass_host,
        }
    }

    /// Head and body of a request that was not sent.
    pub(super) fn from_unsent<B>(request: Request<B>, pass_host: bool) -> (Self, B) {
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        let mut target = parts.uri.into_parts();
        if let Some(authority) = target.authority.take()
            && let Ok(host) = HeaderValue::try_from(authority.as_str())
        {
            headers.insert(HOST, host);
        }
        let path_and_query = target.path_and_query.map(Uri::from);
        let head = Self {
            method: parts.method,
            target: path_and_query.unwrap_or_default(),
            headers,
            pass_host,
        };
        (head, body)
    }
}
