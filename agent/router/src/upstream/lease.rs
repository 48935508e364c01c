//! A connection to a task that bears an exchange.

use super::Destination;
use super::delivery::Delivery;
use super::pool::{Pool, Sender};
use super::streams::OfStream;
use crate::body::RequestBody;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use std::error::Error as _;
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
    /// The request, if hyper has not begun to send it.
    pub(crate) unsent: Option<Request<RequestBody>>,
    /// Whether the task can have read it.
    pub(crate) delivery: Delivery,
    /// What went wrong.
    pub(crate) source: hyper::Error,
}

impl SendError {
    /// What hyper says, to which the request was given with this around its body.
    fn new<B>(
        mut error: TrySendError<Request<B>>,
        delivery: Delivery,
        body: impl FnOnce(B) -> RequestBody,
    ) -> Self {
        let unsent = error.take_message().map(|request| request.map(body));
        Self {
            delivery: unsent.as_ref().map_or(delivery, |_| Delivery::Unsent),
            unsent,
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
            Sender::Http1(connection) => {
                let before = connection.sent.taken();
                let answer = connection.sender.try_send_request(request).await;
                answer.map_err(|error| {
                    let delivery = connection.sent.delivery_after(before);
                    SendError::new(error, delivery, |body| body)
                })
            }
            Sender::Http2(sender, stream) => {
                let request = request.map(|body| OfStream::new(body, stream.clone()));
                let answer = sender.try_send_request(request).await;
                answer.map_err(|error| {
                    let delivery = delivery_of_stream(error.error());
                    SendError::new(error, delivery, OfStream::into_body)
                })
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
        if let Sender::Http1(connection) = self.sender {
            self.pool.put(self.to, connection);
        }
    }
}

/// What became of a request whose stream of HTTP/2 ended so. Where a task ends the connection (GOAWAY), h2 gives its word as
/// the error of those streams only that the task has not processed: those above the last one that it names.
fn delivery_of_stream(error: &hyper::Error) -> Delivery {
    let cause = error.source().and_then(|it| it.downcast_ref::<h2::Error>());
    let refused = |it: &h2::Error| {
        it.is_remote() && (it.is_go_away() || it.reason() == Some(h2::Reason::REFUSED_STREAM))
    };
    if cause.is_some_and(refused) {
        Delivery::Refused
    } else {
        Delivery::Unknown
    }
}
