//! Where a route's requests go.

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To tasks of the route's own service.
    Tasks(Tasks),
    /// To another URL: this one, with the path and query of the request. Status 302.
    Elsewhere(String),
}

/// The tasks of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// The port on which they listen.
    pub port: u16,
    /// What they speak there.
    pub scheme: Scheme,
    /// Which of them gets a request.
    pub balance: Balance,
    /// One by one, or all as one.
    pub mode: BackendMode,
    /// They see the `Host` that the client sent, and not their own address.
    pub pass_host: bool,
}

/// Protocol towards tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1.
    Http,
    /// HTTP/2 without TLS, by prior knowledge (RFC 9113, section 3.3).
    H2c,
    /// HTTP by TLS.
    Https {
        /// Whether the certificate has to be one that the router trusts.
        verify: bool,
    },
}

/// Which task gets a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// The less loaded of two.
    LeastLoaded,
    /// One after the other.
    RoundRobin,
    /// The one that the client's address leads to.
    ClientAddress,
    /// The one that got this client's last request, by a cookie of the router's.
    Sticky(Cookie),
    /// The one that set this cookie, which is the application's own.
    AppCookie(String),
}

/// A cookie by which a client comes back to its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name; `None`: one that follows from the route.
    pub name: Option<String>,
    /// Only by TLS (`Secure`).
    pub secure: bool,
    /// Not for scripts (`HttpOnly`).
    pub http_only: bool,
    /// `SameSite`, if it is said.
    pub same_site: Option<SameSite>,
    /// `Path`.
    pub path: String,
    /// `Max-Age` in seconds; `None`: until the client ends.
    pub max_age_s: Option<u32>,
}

/// `SameSite` (RFC 6265bis, section 5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// `None`.
    None,
    /// `Lax`.
    Lax,
    /// `Strict`.
    Strict,
}

/// How the tasks of a service are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendMode {
    /// Each by its own address.
    Task,
    /// By the service's address: the engine chooses.
    Vip,
}
