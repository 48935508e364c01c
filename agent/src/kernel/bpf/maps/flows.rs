//! The two tables of flows as one: those whose clients are known to be there, and the rest.

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
    /// By handles of their own.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let open = |name| Table::new(name, pinned(directory, name, Map::LruHashMap)?);
        Ok(Self {
            settled: open("LB_FLOWS")?,
            opening: open("LB_OPENING")?,
        })
    }

    pub(crate) fn get(&self, tuple: &Tuple) -> Result<Option<Flow>, Failure> {
        Ok(match self.settled.get(tuple)? {
            Some(flow) => Some(flow),
            None => self.opening.get(tuple)?,
        })
    }

    /// Those whose tuples are `wanted`, as programs would find them.
    pub(crate) fn walk(
        &self,
        wanted: impl Fn(&Tuple) -> bool,
    ) -> Result<BTreeMap<Tuple, Flow>, Failure> {
        let mut flows = self.opening.walk(&wanted)?;
        flows.extend(self.settled.walk(&wanted)?);
        Ok(flows)
    }

    /// Removes what is not to be `kept`.
    pub(crate) fn retain(&mut self, kept: impl Fn(&Flow) -> bool) -> Result<(), Failure> {
        self.settled.retain(&kept)?;
        self.opening.retain(&kept)
    }
}
