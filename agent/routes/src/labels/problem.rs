//! What is wrong with a label, and what to do about it.

use crate::rule::RuleError;
use std::sync::Arc;

/// A label that is not served as it stands.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("label {label}: {error}")]
pub struct LabelProblem {
    /// The label.
    pub label: String,
    /// What is wrong.
    #[source]
    pub error: LabelError,
}

impl Eq for LabelProblem {}

/// What is wrong with a label.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LabelError {
    /// Nobody knows it.
    #[error("it is not known{}", .near.as_ref().map_or(String::new(), |near| format!(": did you mean {near}?")))]
    Unknown {
        /// The label whose name is like it.
        near: Option<String>,
    },
    /// It is known, and not served.
    #[error("it is not served: {0}")]
    NotServed(&'static str),
    /// It is of Traefik 1.
    #[error("it is of Traefik 1: write {0}")]
    Version1(String),
    /// Its value is not understood.
    #[error("{value:?} is not understood: write {wanted}")]
    Value {
        /// The value.
        value: String,
        /// What would be.
        wanted: &'static str,
    },
    /// Its value is no rule.
    #[error("{0}")]
    Rule(#[from] RuleError),
    /// The service has a route of this name before it.
    #[error("it is declared twice: the first one is served")]
    Twice,
    /// The service has many routes before it.
    #[error(
        "a service has {} routes at most: this one is not served",
        super::ROUTES
    )]
    TooMany,
    /// It is missing.
    #[error("it is missing: {0}")]
    Missing(&'static str),
    /// It names something that no label declares.
    #[error("no label declares {kind} {name:?}")]
    Undeclared {
        /// What it names.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// Services declare the middleware that it names differently.
    #[error(
        "services {oldest} and {other} declare the middleware {name:?} differently: give it another name in one of them"
    )]
    Disputed {
        /// The middleware's name.
        name: String,
        /// Name of the oldest one of the services.
        oldest: Arc<str>,
        /// Name of another one.
        other: Arc<str>,
    },
    /// The route is closed because of it.
    #[error("{0}; until then the route answers nobody")]
    Closes(Box<Self>),
}
