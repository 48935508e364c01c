//! What is counted: by route, and of the router as a whole.
//!
//! Each worker counts for itself, without locks and atomics ([`Stats`]). Once a second it adds what has come since to the
//! sums of the process ([`Sums`]), off the way of requests; from there the link tells the agent.

mod feed;
mod sums;

pub(crate) use feed::Feed;
pub(crate) use sums::{Sums, is_key};

use hashbrown::HashMap;
use lb_router_wire::stats::{Counts, Total};
use lb_routes::route::Route;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Numbers of the router as a whole, since the last sum. Those that fall wrap.
#[derive(Clone, Debug)]
pub(crate) struct Totals([u64; Total::ALL.len()]);

impl Default for Totals {
    fn default() -> Self {
        Self([0; Total::ALL.len()])
    }
}

/// What a worker has counted since it was asked last.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// By the address of the route, which stays where it is while it is counted.
    routes: RefCell<HashMap<usize, Rc<OfRoute>>>,
    totals: RefCell<Totals>,
    /// What was set last of numbers that are looked at.
    levels: RefCell<Totals>,
}

/// What a worker has counted of a route.
#[derive(Debug)]
pub(crate) struct OfRoute {
    service: Arc<str>,
    route: Arc<Route>,
    counts: RefCell<Counts>,
}

impl OfRoute {
    /// The route.
    pub(crate) fn route(&self) -> &Route {
        &self.route
    }

    /// Counts something.
    pub(crate) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.borrow_mut());
    }
}

impl Stats {
    /// Where a route of a service is counted.
    pub(crate) fn of(&self, service: &Arc<str>, route: &Arc<Route>) -> Rc<OfRoute> {
        let mut routes = self.routes.borrow_mut();
        let of_route = routes
            .entry(Arc::as_ptr(route) as usize)
            .or_insert_with(|| {
                Rc::new(OfRoute {
                    service: service.clone(),
                    route: route.clone(),
                    counts: RefCell::default(),
                })
            });
        of_route.clone()
    }

    /// Counts one up.
    pub(crate) fn up(&self, total: Total) {
        self.change(total, |number| number.wrapping_add(1));
    }

    /// Counts one down.
    pub(crate) fn down(&self, total: Total) {
        self.change(total, |number| number.wrapping_sub(1));
    }

    /// Sets a number that is looked at, and not counted: it is `now` of this worker.
    pub(crate) fn set(&self, total: Total, now: u64) {
        let mut levels = self.levels.borrow_mut();
        let Some(level) = levels.0.get_mut(total as usize) else {
            return;
        };
        let before = std::mem::replace(level, now);
        self.change(total, |number| {
            number.wrapping_add(now).wrapping_sub(before)
        });
    }

    fn change(&self, total: Total, change: impl Fn(u64) -> u64) {
        if let Some(number) = self.totals.borrow_mut().0.get_mut(total as usize) {
            *number = change(*number);
        }
    }

    /// Adds what has come since the last time to the sums. Routes without a request under way are forgotten.
    pub(crate) fn add_to(&self, sums: &mut Sums) {
        sums.add_totals(&self.totals.take());
        self.routes.borrow_mut().retain(|_, of_route| {
            let counts = of_route.counts.take();
            if counts == Counts::default() {
                return Rc::strong_count(of_route) > 1;
            }
            sums.add(&of_route.service, &of_route.route, &counts);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Stats, Sums};
    use lb_router_wire::stats::Total;

    #[test]
    fn numbers_that_are_looked_at_are_the_sum_of_what_workers_have_now() {
        let (one, other, mut sums) = (Stats::default(), Stats::default(), Sums::default());
        for (now, expected) in [([3, 0], 3), ([1, 4], 5), ([0, 4], 4), ([0, 0], 0)] {
            one.set(Total::PoolIdle, now[0]);
            other.set(Total::PoolIdle, now[1]);
            one.add_to(&mut sums);
            other.add_to(&mut sums);
            assert_eq!(sums.totals.0[Total::PoolIdle as usize], expected);
        }
    }
}
