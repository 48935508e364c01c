//! A connection to a task that bears an exchange.

use super::Destination;
use super::pool::{Pool, Sender};
use super::streams::OfStream;
use crate::body::RequestBody;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use std::rc::Rc;

/// A connection to a task. Dropped before [`Lease::done`], it is closed if nobody shares it: an answer that was not read
/// to its end would be in the way of the next one.
pub(crate) struct Lease {
    to: Destination,
    sender: Sender,
    reused: bool,
    pool: Rc<Pool>,
}

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct SendError {
    /// The request, if nothing of it was sent.
    pub(crate) unsent: Option<Request<RequestBody>>,
    /// What went wrong.
    pub(crate) source: hyper::Error,
}

impl SendError {
    /// What hyper says, to which the request was given with this around its body.
    fn of<B>(mut error: TrySendError<Request<B>>, body: impl FnOnce(B) -> RequestBody) -> Self {
        Self {
            unsent: error.take_message().map(|request| request.map(body)),
            source: error.into_error(),
        }
    }
}

impl Lease {
    pub(super) fn new(to: Destination, sender: Sender, reused: bool, pool: Rc<Pool>) -> Self {
        Self {
            to,
            sender,
            reused,
            pool,
        }
    }

    /// The version of HTTP that is spoken.
    pub(crate) fn version(&self) -> Version {
        match self.sender {
            Sender::Http1(_) => Version::HTTP_11,
            Sender::Http2(..) => Version::HTTP_2,
        }
    }

    /// Did it bear an exchange before? Its task may close it at the moment in which the next request is sent.
    pub(crate) fn reused(&self) -> bool {
        self.reused
    }

    /// Sends a request; the head of the answer.
    ///
    /// # Errors
    /// [`SendError`].
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, SendError> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                let answer = sender.try_send_request(request).await;
                answer.map_err(|error| SendError::of(error, |body| body))
            }
            Sender::Http2(sender, stream) => {
                let request = request.map(|body| OfStream::new(body, stream.clone()));
                let answer = sender.try_send_request(request).await;
                answer.map_err(|error| SendError::of(error, OfStream::into_body))
            }
        }
    }

    /// No answer has come in time: if the connection is shared, that may be its fault, and it gets no more exchanges.
    pub(crate) fn retire(self) {
        if let Sender::Http2(_, stream) = self.sender {
            stream.retire_connection();
        }
    }

    /// The answer was read to its end: the connection is kept for the next exchange.
    pub(crate) fn done(self) {
        if let Sender::Http1(sender) = self.sender {
            self.pool.put(self.to, sender);
        }
    }
}
