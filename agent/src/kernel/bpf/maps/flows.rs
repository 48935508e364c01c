//! The two tables of flows as one: established flows, and flows whose handshake is not complete.

use super::{Failure, Table, pinned};
use aya::maps::Map;
use lb_abi::flow::{Flow, Tuple};
use std::collections::BTreeMap;
use std::path::Path;

/// Flows as clients see them.
pub(crate) struct Flows {
    pub(crate) settled: Table<Tuple, Flow>,
    pub(crate) opening: Table<Tuple, Flow>,
}

impl Flows {
    /// Opens handles of their own.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let open = |name| Table::new(name, pinned(directory, name, Map::LruHashMap)?);
        Ok(Self {
            settled: open("LB_FLOWS")?,
            opening: open("LB_EMBRYONIC")?,
        })
    }

    pub(crate) fn get(&self, tuple: &Tuple) -> Result<Option<Flow>, Failure> {
        Ok(match self.settled.get(tuple)? {
            Some(flow) => Some(flow),
            None => self.opening.get(tuple)?,
        })
    }

    /// The flows whose tuples are `wanted`; an established one hides an opening one, as for programs.
    pub(crate) fn walk(
        &self,
        wanted: impl Fn(&Tuple) -> bool,
    ) -> Result<BTreeMap<Tuple, Flow>, Failure> {
        let mut flows = self.opening.walk(&wanted)?;
        flows.extend(self.settled.walk(&wanted)?);
        Ok(flows)
    }

    /// Removes flows that are not to be `kept`. Returns whether the walk came to the end of both maps.
    pub(crate) fn retain(&mut self, kept: impl Fn(&Flow) -> bool) -> Result<bool, Failure> {
        Ok(self.settled.retain(&kept)? & self.opening.retain(&kept)?)
    }
}
