//! A hash map with a value for each CPU.

use super::{Failure, NOEXIST, Plain, absent, failed, there, walk};
use crate::kernel::bpf::pod::Pod;
use aya::maps::{Map, MapData, MapError, PerCpuHashMap};
use lb_abi::counters::Counters;
use std::time::Duration;

/// Number of attempts, and pause between two, while the kernel is out of memory for values per CPU.
const TRIES: u32 = 10;
const REFILL: Duration = Duration::from_millis(1);

/// A hash map with a value per CPU.
pub(crate) struct PerCpu<K: Plain, V: Plain>(&'static str, PerCpuHashMap<MapData, Pod<K>, Pod<V>>);

impl PerCpu<u64, Counters> {
    pub(crate) fn new(name: &'static str, map: Map) -> Result<Self, Failure> {
        PerCpuHashMap::try_from(map)
            .map(|map| Self(name, map))
            .map_err(failed(name))
    }

    /// The sum over all CPUs.
    pub(crate) fn sum(&self, key: u64) -> Result<Option<Counters>, Failure> {
        let values = absent(self.1.get(&Pod(key), 0)).map_err(failed(self.0))?;
        Ok(values.map(|values| {
            values
                .iter()
                .fold(Counters::default(), |sum, Pod(one)| sum.plus(one))
        }))
    }

    /// All keys.
    pub(crate) fn keys(&self) -> Result<Vec<u64>, Failure> {
        self.1
            .keys()
            .take(walk::STEPS)
            .map(|key| key.map(|key| key.0).map_err(failed(self.0)))
            .collect()
    }

    /// Counts from zero, unless the key is there.
    pub(crate) fn insert_zero(&mut self, key: u64) -> Result<(), Failure> {
        let zero = || -> Result<_, Failure> {
            let cpus = aya::util::nr_cpus().map_err(|(_, error)| Failure::Map {
                map: self.0,
                source: MapError::IoError(error),
            })?;
            aya::maps::PerCpuValues::try_from(vec![Pod(Counters::default()); cpus]).map_err(
                |error| Failure::Map {
                    map: self.0,
                    source: MapError::IoError(error),
                },
            )
        };
        // The kernel keeps some memory ready for values per CPU, and refills it in the background, more slowly
        // than many thousand tasks are added.
        let mut tries = 0;
        loop {
            let inserted = there(self.1.insert(Pod(key), zero()?, NOEXIST));
            match inserted {
                Err(MapError::SyscallError(error))
                    if tries < TRIES
                        && error.io_error.raw_os_error() == Some(nix::libc::ENOMEM) =>
                {
                    tries += 1;
                    std::thread::sleep(REFILL);
                }
                other => return other.map_err(failed(self.0)),
            }
        }
    }

    pub(crate) fn remove(&mut self, key: u64) -> Result<(), Failure> {
        absent(self.1.remove(&Pod(key)))
            .map(|_| ())
            .map_err(failed(self.0))
    }
}
