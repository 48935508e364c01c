//! Ports of tasks that differ from those of their frontends.

use super::{Failure, Table};
use lb_abi::Be16;
use lb_abi::service::{Port, TargetKey};
use lb_core::model::ids::Key;
use lb_core::persistent::PersistentMap;

impl Table<TargetKey, Be16> {
    /// All of them, by published port and task.
    pub(super) fn by_port_and_task(&self) -> Result<PersistentMap<(Port, Key), u16>, Failure> {
        let targets = self.entries()?.into_iter();
        Ok(targets
            .map(|(key, target)| ((key.port, Key(key.task)), target.get()))
            .collect())
    }
}
