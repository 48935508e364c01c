//! Interface to the kernel: read all state, apply one operation.

use std::fmt;
use thiserror::Error;

#[cfg(any(test, feature = "testing"))]
pub mod fake;
pub mod sparing;

/// Reads and changes swarmlb's kernel objects.
pub trait Kernel {
    /// All objects of a back end.
    type State;
    /// One operation.
    type Op: fmt::Debug + fmt::Display;

    /// All of swarmlb's objects that exist now.
    ///
    /// # Errors
    /// When the kernel could not be asked; nothing was changed.
    fn observe(&mut self) -> Result<Self::State, ObserveError>;

    /// Applies one operation.
    ///
    /// # Errors
    /// When the kernel refused; whatever else the plan holds may go on.
    fn apply(&mut self, op: &Self::Op) -> Result<(), ApplyError<Self::Op>>;
}

/// The kernel could not be asked.
#[derive(Debug, Error)]
#[error("{object} could not be read")]
pub struct ObserveError {
    /// The map, link or directory concerned.
    pub object: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The kernel refused an operation.
#[derive(Debug, Error)]
#[error("could not {op}")]
pub struct ApplyError<O: fmt::Debug + fmt::Display> {
    /// The operation.
    pub op: O,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
