//! Ends what waits for a client that takes nothing of its answer: a connection of HTTP/1.1, or a stream of HTTP/2.
//!
//! Such an answer holds memory and a connection to a task, and costs its client nothing: with HTTP/2, not even a socket
//! that is full, only a window of zero bytes. Bodies say when they have handed something over, and when they are
//! asked for more.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep};

tokio::task_local! {
    /// The answer that is sent by this connection or stream.
    static ANSWER: Rc<Answer>;
}

#[derive(Debug, Default)]
struct Answer {
    /// A part of it was handed over, and no more was asked for.
    waits: Cell<bool>,
    /// Either has happened since somebody looked.
    moved: Cell<bool>,
}

/// A body has handed something to the connection of its client (`waits`), or has been asked and has nothing to hand over.
pub(crate) fn handed_over(waits: bool) {
    // Bodies are also polled where nobody looks, such as in tests.
    let _ = ANSWER.try_with(|answer| {
        answer.waits.set(waits);
        answer.moved.set(true);
    });
}

/// Runs a connection or stream; `None` if its client takes nothing of an answer for `limit` to twice as long.
pub(super) async fn unless_stalled<F: Future>(limit: Duration, served: F) -> Option<F::Output> {
    let answer = Rc::<Answer>::default();
    let mut served = pin!(ANSWER.scope(answer.clone(), served));
    // Most answers are taken at once, and need no timer.
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(served) = served.as_mut().poll(context) {
            return Poll::Ready(Some(served));
        }
        if !answer.waits.get() {
            return Poll::Pending;
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        while timer.as_mut().poll(context).is_ready() {
            if !answer.moved.take() {
                return Poll::Ready(None);
            }
            timer.as_mut().reset(Instant::now() + limit);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{handed_over, unless_stalled};
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn who_takes_nothing_is_left_and_who_waits_for_the_task_is_not() {
        let stalled = async {
            handed_over(true);
            std::future::pending::<()>().await;
        };
        assert!(unless_stalled(LIMIT, stalled).await.is_none());
        let waiting = async {
            handed_over(true);
            handed_over(false);
            tokio::time::sleep(LIMIT * 5).await;
        };
        assert!(unless_stalled(LIMIT, waiting).await.is_some());
        let taking = async {
            for _ in 0..10 {
                handed_over(true);
                tokio::time::sleep(LIMIT / 2).await;
            }
        };
        assert!(unless_stalled(LIMIT, taking).await.is_some());
    }
}
