//! A route: the requests that it is for, what is done with them on their way, and where they go.

mod filter;
mod target;

pub use filter::{BasicAuth, Cors, Filter, HeaderChange, Hsts, Redirect, User};
pub use target::{BackendMode, Balance, Cookie, SameSite, Scheme, Target, Tasks};

use crate::rule::Rule;
use std::fmt;

/// A route of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The labels that declare it.
    pub family: Family,
    /// Its name among the routes of its service and family.
    pub name: String,
    /// The ports on which it is served.
    pub entry_points: EntryPoints,
    /// The requests that it is for.
    pub rule: Rule,
    /// Of two routes whose rules match a request, the one with the higher number answers; `None`: its number follows
    /// from how much its rule says.
    pub priority: Option<i64>,
    /// How TLS is spoken with its clients, if it is not what the router does for every host.
    pub tls: Tls,
    /// What is done with a request and its answer, in this order.
    pub filters: Vec<Filter>,
    /// Where requests go.
    pub target: Target,
}

impl Route {
    /// Of two routes whose rules match a request, the one with the higher number answers: what a label says, or else the
    /// length of the rule, as Traefik has it: who says more means less.
    #[must_use]
    pub fn effective_priority(&self) -> i64 {
        self.priority.unwrap_or_else(|| {
            let length = self.rule.to_string().len();
            i64::try_from(length).unwrap_or(i64::MAX)
        })
    }
}

/// A family of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `com.docker.lb.*`: Interlock, of Docker EE and MKE.
    Interlock,
    /// `traefik.*`: Traefik, versions 2 and 3.
    Traefik,
}

impl Family {
    /// What its labels begin with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interlock => "com.docker.lb",
            Self::Traefik => "traefik",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Ports on which a route is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPoints {
    /// 80, without TLS.
    pub http: bool,
    /// 443, by TLS.
    pub https: bool,
}

/// How TLS is spoken with a route's clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The Docker secrets with the certificate and its key; `None`: by the name that the client asks for.
    pub secrets: Option<Secrets>,
    /// The service speaks TLS itself: the router looks at the name that the client asks for, and passes bytes.
    pub passthrough: bool,
}

/// Names of Docker secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// The certificate with its chain, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: String,
}
