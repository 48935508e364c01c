//! Bodies on their way through the router.
//!
//! Bytes are handed on as they come. A body that stands still for too long is an error, in both directions.

use crate::downstream::{Client, UnderWay, handed_over};
use crate::upstream::{Lease, Load};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use lb_routes::answers::Problem;
use lb_routes::heads::prepare_trailers;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
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

/// How a client's body gets on, for who waits for the answer.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Something of it came since it was asked last.
    moved: Cell<bool>,
    /// Why it breaks off, as the client is told: not by the task's fault.
    fault: Cell<Option<Problem<'static>>>,
}

impl Progress {
    /// Has something come since the last time?
    pub(super) fn moved(&self) -> bool {
        self.moved.take()
    }

    /// Why the body broke off, if it did.
    pub(super) fn fault(&self) -> Option<Problem<'static>> {
        self.fault.get()
    }
}

/// A client's body on its way to a task.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None.
    Empty,
    /// What the client sends.
    Client {
        /// Its bytes.
        incoming: Incoming,
        /// How long it may stand still.
        idle: Idle,
        /// Whether fields after the body go along.
        trailers: bool,
        /// The client's connection of HTTP/1.1, which ends where fields follow a body: hyper 1.12 takes for such fields
        /// what follows a lone LF among them, up to the next empty line. A request there would have no answer, and
        /// the next one's would be taken for its.
        ends: Option<Rc<Client>>,
        /// Seen by who waits for the answer.
        progress: Rc<Progress>,
    },
}

impl RequestBody {
    /// What a client sends, which may stand still for `limit`. `ends`: the connection that ends where fields follow.
    pub(super) fn client(incoming: Incoming, limit: Duration, ends: Option<Rc<Client>>) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        Self::Client {
            incoming,
            idle: Idle::new(limit),
            trailers: false,
            ends,
            progress: Rc::default(),
        }
    }

    /// Says whether fields after the body go along.
    pub(super) fn forward_trailers(&mut self, forward: bool) {
        if let Self::Client { trailers, .. } = self {
            *trailers = forward;
        }
    }

    /// How it gets on.
    pub(super) fn progress(&self) -> Rc<Progress> {
        match self {
            Self::Empty => Rc::default(),
            Self::Client { progress, .. } => progress.clone(),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Client {
            incoming,
            idle,
            trailers,
            ends,
            progress,
        } = self.get_mut()
        else {
            return Poll::Ready(None);
        };
        let mut frame = ready!(idle.poll_frame(incoming, context));
        progress.moved.set(true);
        if let Some(Err(error)) = &frame {
            progress.fault.set(Some(match error {
                BodyError::Broken(_) => Problem::Unreadable,
                BodyError::Idle => Problem::RequestTimeout,
            }));
        }
        if let Some(Ok(last)) = &mut frame
            && let Some(fields) = last.trailers_mut()
        {
            if let Some(client) = ends.take() {
                client.close();
            }
            // Fields after the body are seen by no rule and no filter.
            if !*trailers {
                return Poll::Ready(None);
            }
            prepare_trailers(fields);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client { incoming, .. } => incoming.size_hint(),
        }
    }
}

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
    pub(super) fn page(text: impl Into<Bytes>) -> Self {
        Self {
            content: Content::Page(text.into()),
            under_way: None,
        }
    }

    /// What a task sends by this connection; none if it is not to be kept.
    pub(super) fn task(
        incoming: Incoming,
        limit: Duration,
        lease: Option<Lease>,
        load: Load,
    ) -> Self {
        let mut body = Box::new(FromTask {
            incoming,
            idle: Idle::new(limit),
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
    pub(super) fn hold(&mut self, under_way: UnderWay) {
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
