//! Packets that the programs dropped, by reason.

use super::Failure;
use super::maps::pinned;
use aya::maps::{Map, MapData, MapError, PerCpuArray};
use lb_abi::counters::Reason;
use std::collections::BTreeMap;
use std::path::Path;

const NAME: &str = "LB_DROPS";

/// Counters of dropped packets.
pub(super) struct Drops(PerCpuArray<MapData, u64>);

impl Drops {
    /// Opens the map pinned in `directory`.
    pub(super) fn open(directory: &Path) -> Result<Self, Failure> {
        let map = pinned(directory, NAME, Map::PerCpuArray)?;
        PerCpuArray::try_from(map).map(Self).map_err(failed)
    }

    /// The sums over all CPUs, of all reasons.
    pub(super) fn read(&self) -> Result<BTreeMap<Reason, u64>, Failure> {
        let mut drops = BTreeMap::new();
        for reason in Reason::ALL {
            let packets = match self.0.get(&(*reason as u32), 0) {
                Ok(cpus) => cpus.iter().sum(),
                // Made by an agent that knew fewer reasons, and adopted.
                Err(MapError::OutOfBounds { .. }) => 0,
                Err(error) => return Err(failed(error)),
            };
            drops.insert(*reason, packets);
        }
        Ok(drops)
    }
}

fn failed(source: MapError) -> Failure {
    Failure::Map { map: NAME, source }
}
