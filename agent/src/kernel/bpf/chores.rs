//! Work that takes longer the fuller the tables are, on a thread of its own: the main loop, which renews
//! the lease, only requests it.
//!
//! A chore that is requested several times while it waits is done once.

use super::Failure;
use super::maps::Gc;
use crate::error_chain::error_chain;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A collection that failed, or did not come to the end, is repeated after this…
const AGAIN: Duration = Duration::from_secs(1);
/// …or longer: the pause after a chore is at least so many times its duration.
const DUTY_DIVISOR: u32 = 4;

/// Requests chores. The thread ends when this is dropped, after the present chore.
pub(crate) struct Chores(Arc<Board>);

#[derive(Default)]
struct Board {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Default)]
struct Wanted {
    gc: bool,
    recount_loads: bool,
    /// A chore is running.
    busy: bool,
    over: bool,
    /// Time of the next collection, if it is to be repeated.
    again: Option<Instant>,
    /// Earliest time of the next recount.
    counted: Option<Instant>,
}

/// One piece of work.
enum Chore {
    CollectGarbage,
    RecountLoads,
}

impl Chores {
    /// Starts the thread, with handles of its own to the maps pinned in `directory`.
    pub(crate) fn start(directory: &Path) -> Result<Self, Failure> {
        let mut maps = Gc::open(directory)?;
        let board = Arc::new(Board::default());
        let own = Arc::clone(&board);
        let work = move || {
            while let Some(chore) = own.next() {
                let begin = Instant::now();
                let again = match chore {
                    Chore::CollectGarbage => collected(&mut maps),
                    Chore::RecountLoads => recounted(&mut maps),
                };
                own.done(&chore, again, begin.elapsed() * DUTY_DIVISOR);
            }
        };
        std::thread::Builder::new()
            .name("chores".to_owned())
            .spawn(work)
            .map_err(Failure::Thread)?;
        Ok(Self(board))
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

    /// Waits until no chore is requested or running.
    #[cfg(feature = "test-helpers")]
    pub(crate) fn finish(&self) {
        let wanted = self.0.wanted();
        let busy = |wanted: &mut Wanted| wanted.gc || wanted.recount_loads || wanted.busy;
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
            let chore = if wanted.over {
                return None;
            } else if wanted.gc || wanted.again.is_some_and(|again| again <= now) {
                (wanted.gc, wanted.again) = (false, None);
                Some(Chore::CollectGarbage)
            } else if wanted.recount_loads && pause.is_none_or(|end| end <= now) {
                wanted.recount_loads = false;
                Some(Chore::RecountLoads)
            } else {
                None
            };
            if chore.is_some() {
                wanted.busy = true;
                return chore;
            }
            wanted = match wanted.again.into_iter().chain(pause).min() {
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

    fn done(&self, chore: &Chore, again: bool, pause: Duration) {
        let now = Instant::now();
        let mut wanted = self.wanted();
        wanted.busy = false;
        match chore {
            Chore::CollectGarbage if again => wanted.again = Some(now + AGAIN.max(pause)),
            Chore::CollectGarbage => {}
            Chore::RecountLoads => wanted.counted = Some(now + pause),
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

/// Recounts flows. Returns whether to repeat it: never, as each tick requests it again.
fn recounted(maps: &mut Gc) -> bool {
    if let Err(error) = maps.recount_loads() {
        tracing::warn!(
            error = error_chain(&error),
            "flows of tasks can't be counted"
        );
    }
    false
}
