//! A body on its way to a client: a task's, or a page of the router's.

use super::{BodyError, Idle, Progress};
use crate::downstream::handed_over;
use crate::record::Record;
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
    /// The exchange is under way until its answer was sent.
    record: Option<Record>,
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
            record: None,
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
            record: None,
        }
    }

    /// Holds on to the exchange.
    pub(crate) fn hold(&mut self, record: Record) {
        self.record = Some(record);
    }

    /// Tells the exchange what was handed over.
    fn note(&mut self, frame: &Poll<Option<Result<Frame<Bytes>, BodyError>>>) {
        let Some(record) = &mut self.record else {
            return;
        };
        match frame {
            Poll::Ready(Some(Ok(frame))) => record.sent(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(Some(Err(error))) => record.fails(error.name()),
            Poll::Ready(None) => record.is_whole(),
            Poll::Pending => {}
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        handed_over(false);
        // The end of a body of known length is not asked for, and no page is sent to HEAD.
        let whole = matches!(self.content, Content::Page(_)) || self.is_end_stream();
        if let Some(record) = self.record.as_mut().filter(|_| whole) {
            record.is_whole();
        }
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
        let body = self.get_mut();
        let frame = match &mut body.content {
            Content::Page(text) => {
                let text = std::mem::take(text);
                Poll::Ready((!text.is_empty()).then(|| Ok(Frame::data(text))))
            }
            Content::Task(from) => {
                let FromTask { incoming, idle, .. } = &mut **from;
                let frame = idle.poll_frame(incoming, context);
                if frame.is_ready() {
                    from.end_if_over();
                }
                frame
            }
        };
        handed_over(matches!(frame, Poll::Ready(Some(Ok(_)))));
        body.note(&frame);
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
