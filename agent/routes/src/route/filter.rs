//! What is done with requests and answers on their way.

use crate::path::NormalPath;
use crate::rule::TextPattern;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

/// A step on the way of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Nobody gets through: what should be checked here is not understood. The reason is for the log.
    Closed(String),
    /// Who is not known by name and password is asked for them (RFC 7617).
    BasicAuth(BasicAuth),
    /// The client is sent to the same place by another scheme.
    Redirect(Redirect),
    /// Clients of other networks than these are refused.
    AllowClients(Vec<IpNet>),
    /// The task sees the path without the first of these prefixes that it begins with.
    StripPrefix(Vec<NormalPath>),
    /// A header field of the request is changed.
    Request(HeaderChange),
    /// A header field of the answer is changed.
    Response(HeaderChange),
    /// Browsers are told to come back by TLS only (RFC 6797).
    Hsts(Hsts),
    /// Browsers are told which other sites may ask (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
    Cors(Cors),
}

/// To another scheme and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`.
    pub https: bool,
    /// The port, if it is not the scheme's own.
    pub port: Option<u16>,
    /// For ever (301, or 308 where the method is not GET), or for now (302, 307).
    pub permanent: bool,
}

/// Names and passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    /// Who may come in.
    pub users: Vec<User>,
    /// What the client is told it is for.
    pub realm: String,
    /// The field in which the task sees the name.
    pub name_field: Option<HeaderName>,
    /// The task does not see name and password.
    pub removes_header: bool,
}

/// A name, and what the password is compared with.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The digest as htpasswd writes it: bcrypt (`$2y$`), apr1 (`$apr1$`) or SHA-1 (`{SHA}`).
    pub digest: String,
}

/// Digests are in no log.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A header field: set to a value in place of those that are there, or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderChange {
    /// Its name.
    pub name: HeaderName,
    /// Its value; `None`: it is removed.
    pub value: Option<HeaderValue>,
}

/// `Strict-Transport-Security`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// `max-age` in seconds.
    pub max_age_s: u64,
    /// `includeSubDomains`.
    pub subdomains: bool,
    /// `preload`.
    pub preload: bool,
    /// Also where the client did not come by TLS.
    pub forced: bool,
}

/// Answers to requests of other sites, and to the requests that browsers send before those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Sites that may ask; `*` is any.
    pub origins: Vec<TextPattern>,
    /// `Access-Control-Allow-Methods`.
    pub methods: Vec<String>,
    /// `Access-Control-Allow-Headers`.
    pub headers: Vec<String>,
    /// `Access-Control-Expose-Headers`.
    pub exposed: Vec<String>,
    /// `Access-Control-Allow-Credentials`.
    pub credentials: bool,
    /// `Access-Control-Max-Age` in seconds.
    pub max_age_s: Option<u64>,
    /// `Vary: Origin` is added, so that caches keep answers apart.
    pub vary: bool,
}
