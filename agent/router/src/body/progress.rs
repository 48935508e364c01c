//! How an exchange gets on, as its two bodies and who waits for the answer share it.

use lb_routes::answers::Problem;
use std::cell::Cell;

/// How an exchange gets on.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Frames of its bodies that came, of both directions.
    frames: Cell<u32>,
    /// Bytes of the client's body, or of one end of a tunnel.
    bytes: Cell<u64>,
    /// Why the client's body breaks off, as the client is told: not by the task's fault.
    fault: Cell<Option<Problem<'static>>>,
}

impl Progress {
    /// A frame came.
    pub(super) fn moved(&self) {
        self.frames.set(self.frames.get().wrapping_add(1));
    }

    /// So many bytes of the client's body have come, or of one end of a tunnel.
    pub(crate) fn came(&self, bytes: usize) {
        self.bytes
            .set(self.bytes.get().saturating_add(bytes as u64));
        self.moved();
    }

    /// Those that have come.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// How many frames came.
    pub(crate) fn frames(&self) -> u32 {
        self.frames.get()
    }

    /// The client's body breaks off.
    pub(super) fn broke_off(&self, fault: Problem<'static>) {
        self.fault.set(Some(fault));
    }

    /// Why the client's body broke off, if it did.
    pub(crate) fn fault(&self) -> Option<Problem<'static>> {
        self.fault.get()
    }
}
