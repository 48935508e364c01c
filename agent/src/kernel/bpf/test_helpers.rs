//! Access to programs and maps for tests and benchmarks; not part of the agent that is shipped.

mod contents;
mod test_run;

pub use test_run::{Action, Arrival, TestRunError, TestRunResult};

use super::{BpfKernel, LoadError, Tc};
use lb_core::table_sizes::SizedBy;
use std::path::{Path, PathBuf};

impl BpfKernel {
    /// Loads the programs as [`Self::load`] does, with tables of the object file's sizes, but attaches those under tc as `tc` says.
    ///
    /// # Errors
    /// As for [`Self::load`]; a kernel that does not support `tc` refuses only at the first attachment.
    pub fn load_by(directory: &Path, cgroup: Option<PathBuf>, tc: Tc) -> Result<Self, LoadError> {
        Self::open(directory, cgroup, tc, SizedBy::default())
    }

    /// Waits until the background work is done: recounts, garbage collection, and looks for flows of withdrawn ports.
    pub fn finish(&self) {
        self.chores.finish();
    }
}
