//! Room for the tables of all services together: where there is too little, the older service has it, so
//! that a new one takes nothing from those that are there, and all nodes agree.

use super::share;
use crate::model::ids::ServiceId;
use crate::model::snapshot::Service;
use crate::persistent::PersistentMap;
use std::collections::{BTreeMap, BTreeSet};

/// The places that the tables of services need, and the services that get none.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    /// In places; services that need none are left out.
    needed: BTreeMap<ServiceId, usize>,
    total: usize,
    left_out: BTreeSet<ServiceId>,
}

impl Room {
    /// Says how many places the table of a service needs from now on.
    pub(super) fn need(&mut self, id: &ServiceId, places: usize) {
        let before = match places {
            0 => self.needed.remove(id),
            _ => self.needed.insert(id.clone(), places),
        };
        self.total = self.total - before.unwrap_or(0) + places;
    }

    /// Is there no room for the table of this service?
    pub(super) fn leaves_out(&self, id: &ServiceId) -> bool {
        self.left_out.contains(id)
    }

    /// Shares the places out anew; returns the services for which there is room now and was none before, or the
    /// other way round. Where there is enough for all, no service is looked at.
    pub(super) fn share_out(
        &mut self,
        services: &PersistentMap<ServiceId, Service>,
    ) -> Vec<ServiceId> {
        let left_out = if self.total <= share::ALL_PLACES {
            BTreeSet::new()
        } else {
            self.too_young(services)
        };
        let changed = left_out.symmetric_difference(&self.left_out);
        let changed = changed.cloned().collect();
        self.left_out = left_out;
        changed
    }

    /// The services whose tables do not fit beside those of older ones.
    fn too_young(&self, services: &PersistentMap<ServiceId, Service>) -> BTreeSet<ServiceId> {
        let created = |id: &ServiceId| services.get(id).map_or(u64::MAX, |service| service.created);
        let needed = self.needed.iter();
        let mut order: Vec<(u64, &ServiceId, usize)> = needed
            .map(|(id, places)| (created(id), id, *places))
            .collect();
        order.sort_unstable();
        let mut left = share::ALL_PLACES;
        let mut left_out = BTreeSet::new();
        for (_, id, places) in order {
            match left.checked_sub(places) {
                Some(rest) => left = rest,
                None => drop(left_out.insert(id.clone())),
            }
        }
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::service;

    /// A quarter of the places, and half of what all services can have.
    const HALF: usize = share::ALL_PLACES / 2;

    fn services(created: &[(&str, u64)]) -> PersistentMap<ServiceId, Service> {
        let services = created.iter().map(|(id, created)| {
            let service = Service {
                created: *created,
                ..service(id, vec![])
            };
            (ServiceId::from(*id), service)
        });
        services.collect()
    }

    #[test]
    fn the_older_ones_have_the_room_and_who_leaves_makes_room_for_others() {
        // By id the youngest comes first.
        let all = services(&[("a", 3), ("b", 2), ("c", 1), ("d", 4)]);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(ServiceId::from);
        let mut room = Room::default();
        let mut need = |id: &ServiceId, places| {
            room.need(id, places);
            let changed = room.share_out(&all);
            let out: Vec<&str> = room.left_out.iter().map(ServiceId::as_str).collect();
            (changed.len(), out.join(" "))
        };
        assert_eq!(need(&b, HALF), (0, String::new()));
        assert_eq!(need(&c, HALF), (0, String::new()), "all of it is taken");
        // Younger ones get nothing, and take nothing.
        assert_eq!(need(&a, 1), (1, "a".to_owned()));
        assert_eq!(need(&d, 9), (1, "a d".to_owned()));
        // A little is free: what fits gets it, in turn.
        assert_eq!(need(&b, HALF - 9), (1, "d".to_owned()));
        assert_eq!(need(&a, 0), (1, String::new()));
        assert_eq!(need(&c, HALF + 1), (1, "d".to_owned()));
        assert_eq!(need(&c, 0), (1, String::new()));
        assert_eq!(room.total, HALF);
        assert!(!room.leaves_out(&d));
    }
}
