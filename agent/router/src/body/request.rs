//! A client's body on its way to a task.
//!
//! Its beginning is kept until the task answers: a request that the task has not read goes to another one, and hyper has
//! taken bytes of the body by then.

use super::{BodyError, Idle, Progress};
use crate::downstream::{BodyUnderWay, Client};
use crate::limits::Limits;
use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use lb_routes::answers::Problem;
use lb_routes::heads::prepare_trailers;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A client's body on its way to a task.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None.
    Empty,
    /// What the client sends.
    Client(Reader),
}

/// Reads a client's body for one attempt.
#[derive(Debug)]
pub(crate) struct Reader {
    source: Rc<RefCell<Source>>,
    /// The number of the attempt: the body is the last one's.
    attempt: u32,
}

/// What a client sends.
#[derive(Debug)]
struct Source {
    incoming: Incoming,
    /// The timer that ends an exchange which stands still.
    idle: Idle,
    /// Whether fields after the body go along.
    trailers: bool,
    /// The client's connection of HTTP/1.1, which ends where fields follow a body: hyper 1.12 takes for such fields
    /// what follows a lone LF among them, up to the next empty line. A request there would have no answer, and
    /// the next one's would be taken for its.
    ends: Option<Rc<Client>>,
    /// The client's connection is in use until this has ended, even if the answer has done so before.
    _under_way: BodyUnderWay,
    /// Seen by who waits for the answer.
    progress: Rc<Progress>,
    /// Nothing more comes.
    ended: bool,
    attempts: u32,
    /// Whether all that has come is in `kept`.
    whole: bool,
    /// Copies: a part of what hyper reads at once holds the memory of all of it.
    kept: Vec<u8>,
    most_kept: usize,
    /// Bytes of `kept` that the last attempt has read.
    read: usize,
}

/// A body that may be sent once more.
#[derive(Debug)]
pub(crate) struct Replay(Option<Rc<RefCell<Source>>>);

impl RequestBody {
    /// What a client sends by this version.
    pub(crate) fn client(
        incoming: Incoming,
        limits: &Limits,
        client: &Rc<Client>,
        version: Version,
    ) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let progress = Rc::<Progress>::default();
        let source = Source {
            idle: Idle::new(limits.body_idle, progress.clone()),
            trailers: false,
            ends: (version < Version::HTTP_2).then(|| client.clone()),
            _under_way: client.body(),
            progress,
            ended: false,
            attempts: 0,
            whole: incoming.size_hint().lower() <= limits.replayed as u64,
            kept: Vec::new(),
            most_kept: limits.replayed,
            read: 0,
            incoming,
        };
        Self::Client(Reader {
            source: Rc::new(RefCell::new(source)),
            attempt: 0,
        })
    }

    /// Says whether fields after the body go along.
    pub(crate) fn forward_trailers(&mut self, forward: bool) {
        if let Self::Client(reader) = self {
            reader.source.borrow_mut().trailers = forward;
        }
    }

    /// How the exchange gets on, if there is a body.
    pub(crate) fn progress(&self) -> Option<Rc<Progress>> {
        match self {
            Self::Empty => None,
            Self::Client(reader) => Some(reader.source.borrow().progress.clone()),
        }
    }

    /// By this it may be sent once more.
    pub(crate) fn replay(&self) -> Replay {
        Replay(match self {
            Self::Empty => None,
            Self::Client(reader) => Some(reader.source.clone()),
        })
    }
}

impl Replay {
    /// The body from its beginning on, and nothing of it for earlier attempts; `None` if its beginning is gone.
    pub(crate) fn again(&self) -> Option<RequestBody> {
        let Some(shared) = &self.0 else {
            return Some(RequestBody::Empty);
        };
        let mut source = shared.borrow_mut();
        if !source.whole {
            return None;
        }
        source.attempts = source.attempts.wrapping_add(1);
        source.read = 0;
        Some(RequestBody::Client(Reader {
            source: shared.clone(),
            attempt: source.attempts,
        }))
    }

    /// It is not sent once more.
    pub(crate) fn forget(&self) {
        if let Some(source) = &self.0 {
            source.borrow_mut().forget();
        }
    }
}

impl Source {
    /// Bytes that were kept, and that the attempt has yet to read.
    fn ahead(&self) -> &[u8] {
        self.kept.get(self.read..).unwrap_or_default()
    }

    /// Keeps what the attempt reads as it comes, if it is not too much.
    fn keep(&mut self, data: &[u8]) {
        if self.whole && self.kept.len() + data.len() > self.most_kept {
            self.forget();
        }
        if self.whole {
            self.kept.extend_from_slice(data);
            self.read = self.kept.len();
        }
    }

    /// Lets go of what the attempt has read.
    fn forget(&mut self) {
        self.whole = false;
        self.kept = self.ahead().to_vec();
        self.read = 0;
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.ahead().is_empty() {
            let bytes = Bytes::copy_from_slice(self.ahead());
            self.read = self.kept.len();
            if !self.whole {
                self.forget();
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let mut frame = ready!(self.idle.poll_frame(&mut self.incoming, context));
        let data = frame.as_ref().and_then(|it| it.as_ref().ok()?.data_ref());
        self.progress.came(data.map_or(0, Bytes::len));
        if let Some(data) = data {
            self.keep(data);
            return Poll::Ready(frame);
        }
        self.ended = true;
        match &mut frame {
            Some(Ok(last)) => {
                if let Some(client) = self.ends.take() {
                    client.close();
                }
                // Fields after the body are seen by no rule and no filter.
                let Some(fields) = last.trailers_mut().filter(|_| self.trailers) else {
                    return Poll::Ready(None);
                };
                prepare_trailers(fields);
                // They are not kept.
                self.forget();
            }
            Some(Err(error)) => {
                self.forget();
                self.progress.broke_off(match error {
                    BodyError::Broken(_) | BodyError::Replayed => Problem::Unreadable,
                    BodyError::Idle => Problem::RequestTimeout,
                });
            }
            None => {}
        }
        Poll::Ready(frame)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Client(reader) = self.get_mut() else {
            return Poll::Ready(None);
        };
        let mut source = reader.source.borrow_mut();
        if source.attempts != reader.attempt {
            return Poll::Ready(Some(Err(BodyError::Replayed)));
        }
        source.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        let Self::Client(reader) = self else {
            return true;
        };
        let source = reader.source.borrow();
        source.ahead().is_empty() && (source.ended || source.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let Self::Client(reader) = self else {
            return SizeHint::with_exact(0);
        };
        let source = reader.source.borrow();
        let ahead = SizeHint::with_exact(source.ahead().len() as u64);
        if source.ended {
            return ahead;
        }
        ahead + source.incoming.size_hint()
    }
}
