//! Bodies on their way through the router.
//!
//! Bytes are handed on as they come. An exchange that stands still in both directions for too long is an error. One in
//! which only one end speaks is not: a client may have asked for what its task tells from time to time, and keep its body
//! open for the next question (gRPC).

mod progress;
mod request;
mod response;

pub(crate) use progress::Progress;
pub(crate) use request::RequestBody;
pub(crate) use response::ResponseBody;

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// Its sender broke it off.
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// It is sent to another task.
    #[error("the body is sent once more")]
    Replayed,
    /// Nothing came for too long.
    #[error("the body stood still for too long")]
    Idle,
}

impl BodyError {
    /// In a word, as the log of a task's answer has it.
    fn name(&self) -> &'static str {
        match self {
            Self::Broken(_) | Self::Replayed => "answer-broken",
            Self::Idle => "answer-idle",
        }
    }
}

/// How long an exchange stands still, as one of its bodies sees it.
#[derive(Debug)]
pub(crate) struct Idle {
    limit: Duration,
    /// Runs from the first time on that nothing is there.
    waiting: Option<Waiting>,
    /// Of both directions.
    progress: Rc<Progress>,
}

#[derive(Debug)]
struct Waiting {
    sleep: Pin<Box<Sleep>>,
    /// How many frames had come when it was set.
    frames: u32,
}

impl Idle {
    fn new(limit: Duration, progress: Rc<Progress>) -> Self {
        Self {
            limit,
            waiting: None,
            progress,
        }
    }

    /// The next frame; an error after `limit` to twice as long without one, in either direction.
    fn poll_frame(
        &mut self,
        incoming: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(context) {
            self.progress.moved();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let (limit, progress) = (self.limit, &self.progress);
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            sleep: Box::pin(tokio::time::sleep(limit)),
            frames: progress.frames(),
        });
        while waiting.sleep.as_mut().poll(context).is_ready() {
            if waiting.frames == progress.frames() {
                return Poll::Ready(Some(Err(BodyError::Idle)));
            }
            waiting.frames = progress.frames();
            waiting.sleep.as_mut().reset(Instant::now() + limit);
        }
        Poll::Pending
    }
}
