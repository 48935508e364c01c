//! Fields by which the task learns what the router knows of the client: `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`,
//! `X-Real-Ip`, `X-Request-Id`, and `Forwarded` (RFC 7239).
//!
//! They are kept where a trusted proxy sends them, and its address is appended to the lists. From everybody else they are
//! removed and made new.

use super::client_address::{X_FORWARDED_FOR, client_address, trusts};
use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::fmt::Write;
use std::net::IpAddr;

/// Beginning of the names of all fields that proxies set for those behind them.
pub const FORWARDED_PREFIX: &str = "x-forwarded-";

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is kept, in bytes.
const REQUEST_ID: usize = 128;

/// The connection on which the request came (Envoy: downstream): a client's, or that of a proxy before the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downstream {
    /// The address at the other end of the connection, or that of its PROXY header.
    address: IpAddr,
    /// It speaks TLS.
    tls: bool,
    /// `address` and the port that the client has connected to, as fields have them: written once for all requests.
    address_text: HeaderValue,
    port_text: HeaderValue,
}

impl Downstream {
    /// A connection from `address` to `port`, which speaks TLS or does not.
    #[must_use]
    pub fn new(address: IpAddr, port: u16, tls: bool) -> Self {
        let address = address.to_canonical();
        Self {
            address,
            tls,
            address_text: value(address.to_string()),
            port_text: HeaderValue::from(port),
        }
    }
}

/// Whose word is taken, and what is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Networks of proxies whose fields are kept.
    pub trusted: Vec<IpNet>,
    /// `Forwarded` is written. Where a trusted proxy sent one, it is always continued.
    pub forwarded: bool,
}

/// What is known of a request's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, for rules, filters, balancing and the log.
    pub client: IpAddr,
    /// The client came by TLS, to the router or to the trusted proxy before it.
    pub https: bool,
    /// The request's id: 1 to 128 visible ASCII characters.
    pub request_id: HeaderValue,
}

/// Is it a field that only the router and trusted proxies set?
pub(super) fn is_forwarded(name: &HeaderName) -> bool {
    name.as_str().starts_with(FORWARDED_PREFIX)
        || [FORWARDED, X_REAL_IP, X_REQUEST_ID].contains(name)
}

/// Sets the fields.
pub(super) fn set(
    headers: &mut HeaderMap,
    downstream: &Downstream,
    policy: &Policy,
    random: u128,
) -> Origin {
    let client = client_address(&policy.trusted, downstream.address, headers);
    if !trusts(&policy.trusted, downstream.address) {
        let forged = headers.keys().filter(|name| is_forwarded(name));
        let forged: Vec<HeaderName> = forged.cloned().collect();
        for name in forged {
            headers.remove(name);
        }
    }
    let address = downstream.address;
    if policy.forwarded || headers.contains_key(FORWARDED) {
        let element = element(address, downstream.tls, headers);
        append(headers, FORWARDED, value(element));
    }
    let sender = downstream.address_text.clone();
    let real = if client == address {
        sender.clone()
    } else {
        value(client.to_string())
    };
    append(headers, X_FORWARDED_FOR, sender);
    headers.insert(X_REAL_IP, real);
    let https = scheme(headers, downstream.tls);
    if !headers.contains_key(X_FORWARDED_HOST)
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(X_FORWARDED_HOST, host);
    }
    if !headers.contains_key(X_FORWARDED_PORT) {
        headers.insert(X_FORWARDED_PORT, downstream.port_text.clone());
    }
    Origin {
        client,
        https,
        request_id: request_id(headers, random),
    }
}

/// Sets `X-Forwarded-Proto`, if it is not there already; whether it is `https`.
fn scheme(headers: &mut HeaderMap, tls: bool) -> bool {
    let said = headers.get(X_FORWARDED_PROTO).map(HeaderValue::as_bytes);
    match said {
        Some(b"https") => true,
        Some(b"http") => false,
        _ => {
            let scheme = if tls { "https" } else { "http" };
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
            tls
        }
    }
}

/// The id that a trusted proxy has sent, or a new one.
fn request_id(headers: &mut HeaderMap, random: u128) -> HeaderValue {
    let good = |id: &&HeaderValue| {
        let id = id.as_bytes();
        (1..=REQUEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
    };
    let id = headers.get(X_REQUEST_ID).filter(good).cloned();
    let id = id.unwrap_or_else(|| value(format!("{random:032x}")));
    headers.insert(X_REQUEST_ID, id.clone());
    id
}

/// An element of `Forwarded` (RFC 7239, section 4): IPv6 addresses are quoted and in brackets.
fn element(sender: IpAddr, tls: bool, headers: &HeaderMap) -> String {
    let mut text = match sender {
        IpAddr::V4(sender) => format!("for={sender}"),
        IpAddr::V6(sender) => format!("for=\"[{sender}]\""),
    };
    // A host that was checked has neither `"` nor `\`.
    if let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) {
        let _ = write!(text, ";host=\"{host}\"");
    }
    text.push_str(if tls { ";proto=https" } else { ";proto=http" });
    text
}

/// The value of a field, of text that was made of addresses, digits and checked hosts: always a value, without a copy.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// Appends an element to a list field, and makes one field of several.
fn append(headers: &mut HeaderMap, name: HeaderName, element: HeaderValue) {
    let mut list = Vec::new();
    for value in headers.get_all(&name) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    if list.is_empty() {
        headers.insert(name, element);
        return;
    }
    list.extend_from_slice(element.as_bytes());
    if let Ok(list) = HeaderValue::try_from(list) {
        headers.insert(name, list);
    }
}
