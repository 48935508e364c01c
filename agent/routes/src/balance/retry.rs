//! Whether a request that has failed is sent to another task.

use http::Method;

/// Largest number of tasks that a request is sent to.
pub const TRIES: u32 = 3;

/// How a try ended without the head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection was made in time, or there is no way to the task.
    ConnectFailed,
    /// HTTP/2 says that the request was not processed (`REFUSED_STREAM`, or a stream above that of GOAWAY: RFC 9113,
    /// section 8.7).
    Refused,
    /// The connection ended before the answer.
    ClosedBeforeAnswer {
        /// It is known that the task has read no byte of the request, and does not: none was sent, or the task had closed the
        /// connection before its kernel had any.
        undelivered: bool,
    },
    /// The answer has not come in time. The task may be at work on it, and more of it would be more load for the others.
    Timeout,
}

/// May the request go to another task? `replayable`: what was read of its body is still there, or there is none; `tries`:
/// the number of tasks that it was sent to. The [`RetryBudget`](super::RetryBudget) is asked after this.
///
/// What no task can have read may be sent again, whatever the method. What one may have read is sent again only where
/// doing it twice is doing it once (RFC 9110, section 9.2.2).
#[must_use]
pub fn may_retry(failure: Failure, method: &Method, replayable: bool, tries: u32) -> bool {
    let undone = match failure {
        Failure::ConnectFailed | Failure::Refused => true,
        Failure::ClosedBeforeAnswer { undelivered } => undelivered || method.is_idempotent(),
        Failure::Timeout => false,
    };
    undone && replayable && tries < TRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_may_have_done_is_not_done_twice() {
        let closed = |undelivered| Failure::ClosedBeforeAnswer { undelivered };
        for (failure, post, get) in [
            (Failure::ConnectFailed, true, true),
            (Failure::Refused, true, true),
            (closed(true), true, true),
            (closed(false), false, true),
            (Failure::Timeout, false, false),
        ] {
            let may = |method| may_retry(failure, &method, true, 1);
            assert_eq!(may(Method::POST), post, "{failure:?}");
            assert_eq!(may(Method::PATCH), post, "{failure:?}");
            for idempotent in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
                assert_eq!(may(idempotent), get, "{failure:?}");
            }
            assert!(!may_retry(failure, &Method::GET, false, 1));
        }
    }

    #[test]
    fn three_tasks_are_tried_at_most() {
        let tries = |tries| may_retry(Failure::ConnectFailed, &Method::GET, true, tries);
        assert_eq!([1, 2, 3, 4].map(tries), [true, true, false, false]);
    }
}
