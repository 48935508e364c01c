//! The streams of a connection to a task by HTTP/2: how many are open, and whether there may be more.

use crate::body::{BodyError, RequestBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The streams of a connection.
#[derive(Clone)]
pub(super) struct Streams(Rc<Counts>);

struct Counts {
    open: Cell<usize>,
    /// How many may be open at a time, as the task says now.
    most: Box<dyn Fn() -> usize>,
    /// No more are begun.
    retired: Cell<bool>,
}

/// A stream, which is open until the last copy of this is dropped.
#[derive(Clone)]
pub(super) struct Stream(Rc<Opened>);

/// Counts a stream until it is dropped.
struct Opened(Streams);

impl Streams {
    /// None yet, and as many at a time as `most` says.
    pub(super) fn new(most: impl Fn() -> usize + 'static) -> Self {
        Self(Rc::new(Counts {
            open: Cell::default(),
            most: Box::new(most),
            retired: Cell::default(),
        }))
    }

    /// One more.
    pub(super) fn begin(&self) -> Stream {
        let open = &self.0.open;
        open.set(open.get().saturating_add(1));
        Stream(Rc::new(Opened(self.clone())))
    }

    pub(super) fn any(&self) -> bool {
        self.0.open.get() > 0
    }

    pub(super) fn have_room(&self) -> bool {
        !self.are_retired() && self.0.open.get() < (self.0.most)()
    }

    pub(super) fn are_retired(&self) -> bool {
        self.0.retired.get()
    }
}

impl Stream {
    /// Its connection gets no more streams. Those that are open go on.
    pub(super) fn retire_connection(&self) {
        let Opened(Streams(counts)) = &*self.0;
        counts.retired.set(true);
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let Self(Streams(counts)) = self;
        counts.open.set(counts.open.get().saturating_sub(1));
    }
}

/// The body of a request, with its stream: it is open until this has ended, even if the answer has done so before.
pub(super) struct OfStream {
    body: RequestBody,
    _stream: Stream,
}

impl OfStream {
    pub(super) fn new(body: RequestBody, stream: Stream) -> Self {
        Self {
            body,
            _stream: stream,
        }
    }

    /// The body, without the stream.
    pub(super) fn into_body(self) -> RequestBody {
        self.body
    }
}

impl Body for OfStream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
