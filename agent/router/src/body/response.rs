//! A body on its way to a client: a task's, or a page of the router's.

use super::{BodyError, Idle, Progress};
use crate::downstream::{UnderWay, handed_over};
use crate::upstream::{Lease, Load};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A body on its way to a client.
pub(crate) struct ResponseBody {
    content: Content,
    /// The client's request is under way until its answer was sent.
    under_way: Option<UnderWay>,
}

enum Content {
    Page(Bytes),
    Task(Box<FromTask>),
}

/// What a task sends.
struct FromTask {
    incoming: Incoming,
    idle: Idle,
    /// The connection, until the body has ended.
    lease: Option<Lease>,
    load: Option<Load>,
}

impl ResponseBody {
    /// A text of the router's.
    pub(crate) fn page(text: impl Into<Bytes>) -> Self {
        Self {
            content: Content::Page(text.into()),
            under_way: None,
        }
    }

    /// What a task sends by this connection; none if it is not to be kept. The exchange may stand still for `limit`.
    pub(crate) fn task(
        incoming: Incoming,
        limit: Duration,
        progress: Rc<Progress>,
        lease: Option<Lease>,
        load: Load,
    ) -> Self {
        let mut body = Box::new(FromTask {
            incoming,
            idle: Idle::new(limit, progress),
            lease,
            load: Some(load),
        });
        body.end_if_over();
        Self {
            content: Content::Task(body),
            under_way: None,
        }
    }

    /// Holds on to the client's request.
    pub(crate) fn hold(&mut self, under_way: UnderWay) {
        self.under_way = Some(under_way);
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        handed_over(false);
    }
}

impl FromTask {
    /// Gives the connection back once the body has ended.
    fn end_if_over(&mut self) {
        if self.incoming.is_end_stream() {
            self.load = None;
            if let Some(lease) = self.lease.take() {
                lease.done();
            }
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match &mut self.get_mut().content {
            Content::Page(text) => {
                let text = std::mem::take(text);
                Poll::Ready((!text.is_empty()).then(|| Ok(Frame::data(text))))
            }
            Content::Task(body) => {
                let FromTask { incoming, idle, .. } = &mut **body;
                let frame = idle.poll_frame(incoming, context);
                if frame.is_ready() {
                    body.end_if_over();
                }
                frame
            }
        };
        handed_over(matches!(frame, Poll::Ready(Some(Ok(_)))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Page(text) => text.is_empty(),
            Content::Task(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Page(text) => SizeHint::with_exact(text.len() as u64),
            Content::Task(body) => body.incoming.size_hint(),
        }
    }
}
