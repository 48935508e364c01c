//! Errors of devices, routes and rules, with the object concerned.

use super::{Route, Rule};
use crate::socket;
use nix::errno::Errno;
use std::fmt;
use thiserror::Error;

/// Error of an operation on devices, routes or rules.
#[derive(Debug, Error)]
pub enum Error {
    /// No socket of `NETLINK_ROUTE`.
    #[error("devices and routes can't be reached")]
    Socket(#[source] socket::Error),
    /// A whole list failed.
    #[error("the kernel does not list its {what}")]
    List {
        /// `devices`, `routes`, `rules`.
        what: &'static str,
        /// Cause.
        source: socket::Error,
    },
    /// One device.
    #[error("device {device} can't be {operation}")]
    Device {
        /// Its name, or `if` and its index.
        device: String,
        /// Operation that failed.
        operation: Operation,
        /// Cause.
        source: socket::Error,
    },
    /// One route.
    #[error("route {route} can't be {operation}")]
    Route {
        /// The route.
        route: Route,
        /// Operation that failed.
        operation: Operation,
        /// Cause.
        source: socket::Error,
    },
    /// Some of many routes; the others are as asked.
    #[error("{} of {of} routes can't be {operation}: {}", refused.len(), first(refused))]
    Routes {
        /// Operation that failed.
        operation: Operation,
        /// Number of routes in the request.
        of: usize,
        /// Routes that the kernel refused, in the order of the request.
        refused: Vec<Refused>,
    },
    /// The socket failed amid many routes: some are as asked, some may not be.
    #[error("{of} routes can't be {operation}")]
    Broken {
        /// Operation that failed.
        operation: Operation,
        /// Number of routes in the request.
        of: usize,
        /// Cause.
        source: socket::Error,
    },
    /// One rule.
    #[error("rule {rule} can't be {operation}")]
    Rule {
        /// The rule.
        rule: Rule,
        /// Operation that failed.
        operation: Operation,
        /// Cause.
        source: socket::Error,
    },
}

impl Error {
    /// The kernel's error number, if it refused a single operation.
    #[must_use]
    pub fn refused(&self) -> Option<Errno> {
        match self {
            Self::Socket(source)
            | Self::List { source, .. }
            | Self::Device { source, .. }
            | Self::Route { source, .. }
            | Self::Broken { source, .. }
            | Self::Rule { source, .. } => source.refused(),
            Self::Routes { .. } => None,
        }
    }

    /// Did the kernel say nothing but `errnos`?
    #[must_use]
    pub fn only(&self, errnos: &[Errno]) -> bool {
        match self {
            Self::Routes { refused, .. } => refused.iter().all(|one| errnos.contains(&one.errno)),
            one => one.refused().is_some_and(|errno| errnos.contains(&errno)),
        }
    }
}

/// Operation on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Look at it.
    Read,
    /// Make a new one.
    Added,
    /// Make it, or what stands in its place, as asked.
    Put,
    /// Change what is there.
    Changed,
    /// Remove it.
    Deleted,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Added => "added",
            Self::Put => "put",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        })
    }
}

/// A route of many to which the kernel said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The route that was refused.
    pub route: Route,
    /// Why.
    pub errno: Errno,
}

fn first(refused: &[Refused]) -> String {
    refused.first().map_or_else(String::new, |one| {
        format!("{}: {}", one.route, one.errno.desc())
    })
}
