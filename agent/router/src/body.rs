//! Bodies on their way through the router.
//!
//! Bytes are handed on as they come. A body that stands still for too long is an error, in both directions.

mod request;
mod response;

pub(crate) use request::Progress;
pub(crate) use request::RequestBody;
pub(crate) use response::ResponseBody;

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// Its sender broke it off.
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// Nothing came for too long.
    #[error("the body stood still for too long")]
    Idle,
}

impl BodyError {
    /// In a word, as the log of a task's answer has it.
    fn name(&self) -> &'static str {
        match self {
            Self::Broken(_) => "answer-broken",
            Self::Idle => "answer-idle",
        }
    }
}

/// How long a body stands still.
#[derive(Debug)]
pub(crate) struct Idle {
    limit: Duration,
    /// Runs from the first time on that nothing is there.
    sleep: Option<Pin<Box<Sleep>>>,
    /// Something came since it was set.
    moved: bool,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            sleep: None,
            moved: false,
        }
    }

    /// The next frame; an error after `limit` to twice as long without one.
    fn poll_frame(
        &mut self,
        incoming: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(context) {
            self.moved = true;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let limit = self.limit;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        while sleep.as_mut().poll(context).is_ready() {
            if !std::mem::take(&mut self.moved) {
                return Poll::Ready(Some(Err(BodyError::Idle)));
            }
            sleep.as_mut().reset(Instant::now() + limit);
        }
        Poll::Pending
    }
}
