//! A client's body on its way to a task.

use super::{BodyError, Idle, Progress};
use crate::downstream::{Client, UnderWay};
use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use lb_routes::answers::Problem;
use lb_routes::heads::prepare_trailers;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A client's body on its way to a task.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None.
    Empty,
    /// What the client sends.
    Client {
        /// Its bytes.
        incoming: Incoming,
        /// How long the exchange may stand still.
        idle: Idle,
        /// Whether fields after the body go along.
        trailers: bool,
        /// The client's connection of HTTP/1.1, which ends where fields follow a body: hyper 1.12 takes for such fields
        /// what follows a lone LF among them, up to the next empty line. A request there would have no answer, and
        /// the next one's would be taken for its.
        ends: Option<Rc<Client>>,
        /// The client's connection is in use until this has ended, even if the answer has done so before.
        _under_way: UnderWay,
        /// Seen by who waits for the answer.
        progress: Rc<Progress>,
    },
}

impl RequestBody {
    /// What a client sends by this version, which may stand still for `limit`.
    pub(crate) fn client(
        incoming: Incoming,
        limit: Duration,
        client: &Rc<Client>,
        version: Version,
    ) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let progress = Rc::<Progress>::default();
        Self::Client {
            incoming,
            idle: Idle::new(limit, progress.clone()),
            trailers: false,
            ends: (version < Version::HTTP_2).then(|| client.clone()),
            _under_way: client.body(),
            progress,
        }
    }

    /// Says whether fields after the body go along.
    pub(crate) fn forward_trailers(&mut self, forward: bool) {
        if let Self::Client { trailers, .. } = self {
            *trailers = forward;
        }
    }

    /// How the exchange gets on, if there is a body.
    pub(crate) fn progress(&self) -> Option<Rc<Progress>> {
        match self {
            Self::Empty => None,
            Self::Client { progress, .. } => Some(progress.clone()),
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
            ..
        } = self.get_mut()
        else {
            return Poll::Ready(None);
        };
        let mut frame = ready!(idle.poll_frame(incoming, context));
        let data = frame.as_ref().and_then(|it| it.as_ref().ok()?.data_ref());
        progress.came(data.map_or(0, Bytes::len));
        if let Some(Err(error)) = &frame {
            progress.broke_off(match error {
                BodyError::Broken(_) => Problem::Unreadable,
                BodyError::Idle => Problem::RequestTimeout,
            });
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
