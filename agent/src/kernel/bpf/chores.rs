//! Work that takes longer the fuller the tables are, on a thread of its own: the main loop, which renews
//! the lease, only requests it.
//!
//! A chore that is requested several times while it waits is done once.

use super::Failure;
use super::last_occupancy::LastOccupancy;
use super::maps::Gc;
use crate::error_chain::error_chain;
use lb_core::desired::{Number, WithdrawnPorts};
use lb_core::table_sizes::TableSizes;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A collection that failed, or did not come to the end, is repeated after this…
const AGAIN: Duration = Duration::from_secs(1);
/// …or longer: the pause after a collection is at least so many times its duration.
const DUTY_DIVISOR: u32 = 4;
/// The pause after a count of flows is so many times its duration: counting takes a 25th of a CPU at the most, 4 %, however
/// full the tables are and however slow the machine. Meanwhile programs count what is new by themselves.
const COUNT_DUTY_DIVISOR: u32 = 24;
/// Where no service needs the count, it is taken only so often, for how full the tables are. Tables that are none of flows are never
/// counted more often.
const NOW_AND_THEN: Duration = Duration::from_secs(60);
/// Flows of withdrawn ports are looked for again after so many times the duration of the last look: nothing waits for it.
const DRAIN_DUTY_DIVISOR: u32 = 30;

/// Requests chores. The thread ends when this is dropped, after the present chore.
pub(crate) struct Chores(Arc<Board>, LastOccupancy);

#[derive(Default)]
struct Board {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Default)]
struct Wanted {
    gc: bool,
    recount_loads: bool,
    /// Ports whose flows are to be looked for.
    drain: Option<WithdrawnPorts>,
    /// The ports whose flows were looked for last, and those of them that have none.
    drained: Option<(WithdrawnPorts, BTreeSet<Number>)>,
    /// Earliest time of the next look.
    looked: Option<Instant>,
    /// A chore is running.
    busy: bool,
    over: bool,
    /// Time of the next collection, if it is to be repeated.
    again: Option<Instant>,
    /// Earliest time of the next recount.
    counted: Option<Instant>,
    /// Time of the next recount that no service needs.
    due: Option<Instant>,
}

/// One piece of work.
enum Chore {
    CollectGarbage,
    RecountLoads,
    Drain(WithdrawnPorts),
}

impl Chores {
    /// Starts the thread, with handles of its own to the maps pinned in `directory`, whose LRU tables have these `sizes`.
    pub(crate) fn start(directory: &Path, sizes: TableSizes) -> Result<Self, Failure> {
        let mut maps = Gc::open(directory, sizes)?;
        let board = Arc::new(Board::default());
        let own = Arc::clone(&board);
        let occupancy = LastOccupancy::default();
        let last = occupancy.clone();
        let mut others_counted = None;
        let work = move || {
            while let Some(chore) = own.next() {
                let begin = Instant::now();
                let again = match &chore {
                    Chore::CollectGarbage => collected(&mut maps),
                    Chore::RecountLoads => recounted(&mut maps, &last, &mut others_counted),
                    Chore::Drain(withdrawn) => {
                        own.tell_drained(withdrawn, drained(&maps, withdrawn.ports()));
                        false
                    }
                };
                own.done(&chore, again, begin.elapsed());
            }
        };
        std::thread::Builder::new()
            .name("chores".to_owned())
            .spawn(work)
            .map_err(Failure::Thread)?;
        Ok(Self(board, occupancy))
    }

    /// The last count of the entries of the LRU tables; the handle has each later count, too.
    pub(crate) fn occupancy(&self) -> LastOccupancy {
        self.1.clone()
    }

    /// Requests the removal of entries of tasks that are gone.
    pub(crate) fn collect_garbage(&self) {
        self.0.wanted().gc = true;
        self.0.changed.notify_all();
    }

    /// Requests a recount of the flows of every task.
    pub(crate) fn recount_loads(&self) {
        self.0.wanted().recount_loads = true;
        self.0.changed.notify_all();
    }

    /// Requests that recount if the last one is long ago.
    pub(crate) fn recount_now_and_then(&self) {
        let mut wanted = self.0.wanted();
        if wanted.due.is_none_or(|due| due <= Instant::now()) {
            wanted.recount_loads = true;
            self.0.changed.notify_all();
        }
    }

    /// Those of the ports in `withdrawn` that had no flow at the last look for flows of all of these; requests another look, and
    /// forgets what the last one has found. Where no port is withdrawn, there is nothing to look for.
    pub(crate) fn drained(&self, withdrawn: &WithdrawnPorts) -> BTreeSet<Number> {
        let mut wanted = self.0.wanted();
        wanted.drain = (!withdrawn.ports().is_empty()).then(|| withdrawn.clone());
        let found = wanted.drained.take();
        self.0.changed.notify_all();
        // What was found before the last change may be older than the withdrawal of one of these ports.
        found
            .filter(|(asked, _)| asked == withdrawn)
            .map(|(_, drained)| drained)
            .unwrap_or_default()
    }

    /// Waits until no chore is requested or running.
    #[cfg(feature = "test-helpers")]
    pub(crate) fn finish(&self) {
        let wanted = self.0.wanted();
        let busy = |wanted: &mut Wanted| {
            wanted.gc || wanted.recount_loads || wanted.drain.is_some() || wanted.busy
        };
        drop(self.0.changed.wait_while(wanted, busy));
    }
}

impl Drop for Chores {
    fn drop(&mut self) {
        self.0.wanted().over = true;
        self.0.changed.notify_all();
    }
}

impl Board {
    /// A panic ends the process, so a poisoned lock is ignored.
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a chore; `None`: the thread is to end.
    fn next(&self) -> Option<Chore> {
        let mut wanted = self.wanted();
        loop {
            let now = Instant::now();
            let pause = wanted.counted.filter(|_| wanted.recount_loads);
            let rest = wanted.looked.filter(|_| wanted.drain.is_some());
            let chore = if wanted.over {
                return None;
            } else if wanted.gc || wanted.again.is_some_and(|again| again <= now) {
                (wanted.gc, wanted.again) = (false, None);
                Some(Chore::CollectGarbage)
            } else if wanted.recount_loads && pause.is_none_or(|end| end <= now) {
                wanted.recount_loads = false;
                Some(Chore::RecountLoads)
            } else if rest.is_none_or(|end| end <= now) {
                wanted.drain.take().map(Chore::Drain)
            } else {
                None
            };
            if chore.is_some() {
                wanted.busy = true;
                return chore;
            }
            wanted = match wanted.again.into_iter().chain(pause).chain(rest).min() {
                Some(next) => {
                    let pause = next.saturating_duration_since(now);
                    let waited = self.changed.wait_timeout(wanted, pause);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.changed.wait(wanted);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Keeps what a look for flows of the ports in `withdrawn` has found.
    fn tell_drained(&self, withdrawn: &WithdrawnPorts, drained: BTreeSet<Number>) {
        self.wanted().drained = Some((withdrawn.clone(), drained));
    }

    fn done(&self, chore: &Chore, again: bool, took: Duration) {
        let now = Instant::now();
        let mut wanted = self.wanted();
        wanted.busy = false;
        match chore {
            Chore::CollectGarbage if again => {
                wanted.again = Some(now + AGAIN.max(took * DUTY_DIVISOR));
            }
            Chore::CollectGarbage => {}
            Chore::RecountLoads => {
                wanted.counted = Some(now + took * COUNT_DUTY_DIVISOR);
                wanted.due = Some(now + NOW_AND_THEN);
            }
            Chore::Drain(_) => wanted.looked = Some(now + took * DRAIN_DUTY_DIVISOR),
        }
        self.changed.notify_all();
    }
}

/// Removes entries of tasks that are gone. Returns whether to repeat it.
fn collected(maps: &mut Gc) -> bool {
    match maps.collect_garbage() {
        Ok(whole) => {
            if !whole {
                tracing::debug!("flows come faster than they can be looked through");
            }
            !whole
        }
        Err(error) => {
            tracing::warn!(
                error = error_chain(&error),
                "flows of tasks that are gone can't be removed"
            );
            true
        }
    }
}

/// Recounts flows, and what is in the other tables if that was counted long ago, at `others_counted`. Returns whether to repeat it:
/// never, as each tick requests it again.
fn recounted(maps: &mut Gc, last: &LastOccupancy, others_counted: &mut Option<Instant>) -> bool {
    let due = others_counted.is_none_or(|counted| counted.elapsed() >= NOW_AND_THEN);
    let counted = maps.recount_loads().and_then(|flows| {
        let others = due.then(|| maps.count_others()).transpose()?;
        Ok((flows, others))
    });
    match counted {
        Ok((flows, others)) => {
            if due {
                *others_counted = Some(Instant::now());
            }
            last.set(flows, others);
        }
        Err(error) => tracing::warn!(
            error = error_chain(&error),
            "flows of tasks can't be counted"
        ),
    }
    false
}

/// Those of `ports` that have no flow; none where that can't be read.
fn drained(maps: &Gc, ports: &BTreeSet<Number>) -> BTreeSet<Number> {
    maps.drained(ports).unwrap_or_else(|error| {
        tracing::warn!(
            error = error_chain(&error),
            "flows of withdrawn ports can't be looked for"
        );
        BTreeSet::new()
    })
}

#[cfg(test)]
mod tests;
