//! The published view.

use lb_core::model::snapshot::Snapshot;
use prost::bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// The current view, as published to the main loop and to other agents.
#[derive(Debug, Default)]
pub(in crate::sync) struct PublishedView {
    /// Grows whenever `snapshot` changes.
    pub(in crate::sync) revision: u64,
    /// This node is a manager, and its engine answers.
    pub(in crate::sync) fresh: bool,
    /// The view, with local events applied.
    pub(in crate::sync) snapshot: Arc<Snapshot>,
    encoded: OnceLock<Bytes>,
}

impl PublishedView {
    pub(super) fn new(revision: u64, fresh: bool, snapshot: Arc<Snapshot>) -> Self {
        Self {
            revision,
            fresh,
            snapshot,
            encoded: OnceLock::new(),
        }
    }

    /// The snapshot as a protobuf message, encoded once for all sessions.
    pub(in crate::sync) fn encoded(&self) -> Bytes {
        self.encoded
            .get_or_init(|| lb_wire::encode(&self.snapshot))
            .clone()
    }
}
