//! Single flight: a costly answer is computed once for all callers that wait for it. A caller gets an answer that
//! was begun after its call, and computations begin at least a second apart.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Least time between the beginnings of two computations.
const INTERVAL: Duration = Duration::from_secs(1);

/// An answer that is being computed, or waits for its time.
type Answer<T> = Shared<BoxFuture<'static, T>>;

/// Shares the computations of one kind of answer.
#[derive(Debug)]
pub(super) struct SingleFlight<T: Clone>(Mutex<Schedule<T>>);

#[derive(Debug)]
struct Schedule<T: Clone> {
    began: Option<Instant>,
    /// The computation that has not begun yet.
    next: Option<Answer<T>>,
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    pub(super) fn new() -> Arc<Self> {
        let schedule = Schedule {
            began: None,
            next: None,
        };
        Arc::new(Self(Mutex::new(schedule)))
    }

    /// The next answer; `work` computes it unless another caller's `work` is waiting already.
    pub(super) fn ask(
        self: &Arc<Self>,
        work: impl FnOnce() -> BoxFuture<'static, T> + Send + 'static,
    ) -> Answer<T> {
        let mut schedule = self.schedule();
        if let Some(next) = &schedule.next {
            return next.clone();
        }
        let due = schedule
            .began
            .map_or_else(Instant::now, |began| began + INTERVAL);
        let flight = self.clone();
        let next = async move {
            sleep_until(due).await;
            {
                let mut schedule = flight.schedule();
                schedule.began = Some(Instant::now());
                schedule.next = None;
            }
            work().await
        };
        let next = next.boxed().shared();
        schedule.next = Some(next.clone());
        next
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_within_a_second_share_an_answer_that_is_newer_than_their_question() {
        let single_flight = SingleFlight::new();
        let works = Arc::new(AtomicU32::new(0));
        let ask = || {
            let works = works.clone();
            single_flight
                .ask(move || async move { works.fetch_add(1, Ordering::Relaxed) + 1 }.boxed())
        };
        assert_eq!(ask().await, 1, "at once");
        let asked = Instant::now();
        let all = futures_util::future::join_all((0..1_000).map(|_| ask())).await;
        assert!(
            all.iter().all(|answer| *answer == 2),
            "a second one for all"
        );
        assert_eq!(asked.elapsed(), INTERVAL);
        drop(ask());
        assert_eq!(ask().await, 3, "one who gave up holds nobody up");
    }
}
