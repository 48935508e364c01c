//! Maglev tables: the task of each slot of a table that is looked up by a hash.
//!
//! Maglev (Eisenbud et al., NSDI 2016, section 3.4): places are spread evenly over the
//! tasks, and when a task comes or goes, nearly all other places keep theirs. Every node
//! makes the same table from the same tasks, and so sends a client to the same one.

use crate::model::ids::Key;
use lb_datapath::schedule::mixed;

/// Places per table: primes, so that every step reaches every place.
const SIZES: [u32; 5] = [251, 1_021, 4_093, 16_381, 65_521];
/// Places per task, at least: one task's share differs from another's by a percent or two.
const PER_TASK: usize = 64;

/// The task of each place. `tasks` in the order of their keys; empty for none.
#[must_use]
pub fn table(tasks: &[Key]) -> Vec<Key> {
    if tasks.is_empty() {
        return Vec::new();
    }
    let size = size(tasks.len());
    let mut places: Vec<Option<Key>> = vec![None; size as usize];
    let mut left = places.len();
    let mut walks: Vec<Walk> = tasks.iter().map(|task| Walk::of(*task, size)).collect();
    loop {
        for (walk, task) in walks.iter_mut().zip(tasks) {
            let place = loop {
                let next = usize::try_from(walk.step(size)).unwrap_or_default();
                if let Some(place @ None) = places.get_mut(next) {
                    break place;
                }
            };
            *place = Some(*task);
            left -= 1;
            if left == 0 {
                return places.into_iter().flatten().collect();
            }
        }
    }
}

/// The number of places in the table of so many tasks.
#[must_use]
pub fn places(tasks: usize) -> usize {
    if tasks == 0 { 0 } else { size(tasks) as usize }
}

/// The smallest size that has [`PER_TASK`] places for each of `tasks`, or the largest there is.
fn size(tasks: usize) -> u32 {
    let enough = tasks.saturating_mul(PER_TASK);
    let [.., largest] = SIZES;
    let mut sizes = SIZES.into_iter();
    let fits = sizes.find(|size| *size as usize >= enough);
    fits.unwrap_or(largest)
}

/// The order in which a task asks for places.
struct Walk {
    next: u64,
    skip: u64,
}

impl Walk {
    fn of(task: Key, size: u32) -> Self {
        Self {
            next: mixed(task.0) % u64::from(size),
            skip: mixed(!task.0) % u64::from(size - 1) + 1,
        }
    }

    fn step(&mut self, size: u32) -> u64 {
        let place = self.next;
        self.next = (self.next + self.skip) % u64::from(size);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn keys(names: impl Iterator<Item = u32>) -> Vec<Key> {
        let mut keys: Vec<Key> = names.map(|n| Key::of(&format!("task{n}"))).collect();
        keys.sort_unstable();
        keys
    }

    fn shares(table: &[Key]) -> BTreeMap<Key, usize> {
        let mut shares = BTreeMap::new();
        for task in table {
            *shares.entry(*task).or_default() += 1;
        }
        shares
    }

    #[test]
    fn places_are_shared_evenly() {
        for count in [1, 2, 6, 50, 500] {
            let table = table(&keys(0..count));
            assert_eq!(table.len(), places(count as usize));
            let shares = shares(&table);
            assert_eq!(shares.len(), count as usize);
            let (least, most) = (shares.values().min(), shares.values().max());
            assert!(most.unwrap() - least.unwrap() <= 1, "{shares:?}");
        }
        assert!(table(&[]).is_empty() && places(0) == 0);
    }

    #[test]
    fn a_task_that_goes_takes_hardly_any_other_along() {
        let all = table(&keys(0..12));
        let fewer = table(&keys(1..12));
        assert_eq!(all.len(), fewer.len());
        let gone = Key::of("task0");
        let moved = all
            .iter()
            .zip(&fewer)
            .filter(|(a, b)| **a != gone && a != b);
        // Its own twelfth has to move; of the rest a few percent do.
        assert!(moved.count() * 10 < all.len());
    }

    #[test]
    fn the_table_is_the_same_on_every_node_and_in_every_version() {
        let table = table(&keys(0..3));
        assert_eq!(table.len(), 251);
        let sum = table.iter().enumerate().fold(0u64, |sum, (place, key)| {
            sum.wrapping_mul(31).wrapping_add(key.0 ^ place as u64)
        });
        assert_eq!(sum, SUM);
    }
    const SUM: u64 = 16_553_073_292_177_784_809;
}
