//! The view in force, as it is handed on.

use crate::sync::wire;
use lb_core::snapshot::Snapshot;
use prost::bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// The view in force.
#[derive(Debug, Default)]
pub(in crate::sync) struct View {
    /// Grows whenever `snapshot` changes.
    pub(in crate::sync) revision: u64,
    /// This is a manager whose engine answers.
    pub(in crate::sync) fresh: bool,
    /// With signs.
    pub(in crate::sync) snapshot: Arc<Snapshot>,
    encoded: OnceLock<Bytes>,
}

impl View {
    pub(super) fn new(revision: u64, fresh: bool, snapshot: Arc<Snapshot>) -> Self {
        Self {
            revision,
            fresh,
            snapshot,
            encoded: OnceLock::new(),
        }
    }

    /// The snapshot on the wire, encoded once for all who want it.
    pub(in crate::sync) fn encoded(&self) -> Bytes {
        self.encoded
            .get_or_init(|| wire::encode(&self.snapshot))
            .clone()
    }
}
