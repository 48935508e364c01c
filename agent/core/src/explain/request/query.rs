//! A question about a request, as people type it: `https://shop.example/cart`, a method, header fields, a client.

use http::header::HOST;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use lb_routes::rule::Host;
use lb_routes::table::EntryPoint;
use std::net::{IpAddr, Ipv4Addr};

/// The address of the client where the caller names none: one that nobody has (RFC 5737).
const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A request that is asked about.
#[derive(Clone, Debug)]
pub struct RequestQuery {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: Uri,
    /// The host to which the client connects: that of the URL.
    pub(super) host: Host,
    pub(super) port: Option<u16>,
    pub(super) entry_point: EntryPoint,
    /// The header fields, with `Host`.
    pub(super) headers: HeaderMap,
    pub(super) client: IpAddr,
    pub(super) client_assumed: bool,
}

/// Why a question about a request can't be answered, in one message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestQueryError {
    /// Not a URL of HTTP.
    #[error(
        "{0} is no URL of a request: give scheme and host, and a path if it matters, as in https://shop.example/cart"
    )]
    Url(String),
    /// A URL with a name or a password in it.
    #[error(
        "the URL has a user's name before @: leave it out; a browser sends it as a field (--header 'Authorization: Basic …')"
    )]
    User,
    /// Not a method.
    #[error("{0} is no method: give one as in POST")]
    Method(String),
    /// Not a header field.
    #[error("{0} is no header field: give name and value, as in 'Accept: text/html'")]
    Header(String),
    /// Not an address.
    #[error("{0} is no address of a client: give an IPv4 or IPv6 address, as in 203.0.113.7")]
    Client(String),
}

impl RequestQuery {
    /// A request for `url`, by GET and from anywhere unless that is said.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub fn new<'a>(
        url: &str,
        method: Option<&str>,
        headers: impl IntoIterator<Item = &'a str>,
        client: Option<&str>,
    ) -> Result<Self, RequestQueryError> {
        let no_url = || RequestQueryError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| no_url())?;
        let entry_point = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => EntryPoint::Http,
            Some(scheme) if *scheme == Scheme::HTTPS => EntryPoint::Https,
            _ => return Err(no_url()),
        };
        let authority = uri.authority().ok_or_else(no_url)?;
        if authority.as_str().contains('@') {
            return Err(RequestQueryError::User);
        }
        let host = Host::of(authority.as_str()).ok_or_else(no_url)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        // `https://shop.example?page=2` is a URL, and its request has a path.
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{target}").parse().map_err(|_| no_url())?;
        let named = method.unwrap_or("GET");
        let method = Method::from_bytes(named.as_bytes())
            .map_err(|_| RequestQueryError::Method(named.to_owned()))?;
        let assumed = client.is_none();
        let client = match client {
            None => SOMEBODY,
            Some(client) => client
                .parse()
                .map_err(|_| RequestQueryError::Client(client.to_owned()))?,
        };
        let mut fields = HeaderMap::new();
        for text in headers {
            let (name, value) =
                field(text).ok_or_else(|| RequestQueryError::Header(text.to_owned()))?;
            fields.append(name, value);
        }
        if !fields.contains_key(HOST) {
            let value = HeaderValue::from_str(authority.as_str()).map_err(|_| no_url())?;
            fields.insert(HOST, value);
        }
        Ok(Self {
            method,
            target,
            host,
            port: authority.port_u16(),
            entry_point,
            headers: fields,
            client,
            client_assumed: assumed,
        })
    }

    /// The client speaks TLS.
    pub(super) fn tls(&self) -> bool {
        self.entry_point == EntryPoint::Https
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls() { "https" } else { "http" }
    }
}

/// `Name: value`.
fn field(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    Some((name, HeaderValue::from_str(value.trim()).ok()?))
}
