//! LRU tables that an earlier agent left with other sizes than are wanted: after another option, more memory, an upgrade.
//!
//! A map can't change its size. The loader takes whatever map is pinned under a name, so a table of another size loses its
//! pin first, and the loader makes a new one. The programs that are attached go on with the old one until they are replaced.

use super::load_error::LoadError;
use crate::error_chain::error_chain;
use aya::maps::{MapData, MapInfo};
use lb_core::table_sizes::{LruTable, TableSizes};
use std::fs;
use std::path::{Path, PathBuf};

/// Entries of the table of TCP connections that is pinned in `directory`, if there is one.
pub(super) fn flows(directory: &Path) -> Option<u32> {
    let pin = MapInfo::from_pin(directory.join(LruTable::FLOWS.name));
    pin.ok().map(|info| info.max_entries())
}

/// Tables that have lost their pins, each with the path of that.
#[derive(Default)]
pub(super) struct Unpinned(Vec<(PathBuf, MapData)>);

impl Unpinned {
    /// Unpins the LRU tables in `directory` that have other sizes than these.
    pub(super) fn of(directory: &Path, sizes: TableSizes) -> Result<Self, LoadError> {
        let mut unpinned = Self::default();
        for table in &LruTable::ALL {
            let path = directory.join(table.name);
            // Mostly there is none. What can't be opened for another reason, loading fails at.
            let Ok(map) = MapData::from_pin(&path) else {
                continue;
            };
            let entries = map.info().map(|info| info.max_entries());
            if entries.is_ok_and(|entries| entries == sizes.entries(table)) {
                continue;
            }
            if let Err(source) = fs::remove_file(&path) {
                unpinned.pin();
                return Err(LoadError::Directory {
                    path: path.display().to_string(),
                    source,
                });
            }
            unpinned.0.push((path, map));
        }
        Ok(unpinned)
    }

    /// Pins them as before, in place of new ones: the programs that are attached use them.
    pub(super) fn pin(self) {
        for (path, map) in self.0 {
            // Loading may have failed before there was a new one.
            let _ = fs::remove_file(&path);
            if let Err(error) = map.pin(&path) {
                tracing::warn!(
                    path = %path.display(),
                    error = error_chain(&error),
                    "a table of an earlier agent can't be pinned again: its entries are lost for the next agent"
                );
            }
        }
    }

    /// Logs what was lost, if anything was.
    pub(super) fn log(&self, sizes: TableSizes) {
        if !self.0.is_empty() {
            tracing::warn!(
                tables = self.0.len(),
                flows = sizes.flows(),
                "tables were made again with another size: the flows and clients in them are forgotten, once"
            );
        }
    }
}
