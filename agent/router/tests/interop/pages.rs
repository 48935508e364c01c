//! A task with what browsers ask for: a page, a file of which parts can be had, answers to fetches, and events that come
//! one after the other. `/until-done` is answered once `/done` was asked for: a page that shows it is loaded when it says so.

use crate::harness::Task;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Interval, interval};

/// The time between two events.
const BETWEEN: Duration = Duration::from_millis(300);

/// The file of which parts can be had.
pub(crate) const FILE: &[u8] = b"0123456789abcdef";

/// Five events, one every [`BETWEEN`].
struct Events {
    next: u32,
    ticks: Interval,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next == 5 {
            return Poll::Ready(None);
        }
        ready!(self.ticks.poll_tick(context));
        let event = format!("id: {0}\ndata: event {0}\n\n", self.next);
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}

/// A task that serves them; `page` is what it answers to `/`.
pub(crate) fn start(page: &'static str) -> Task {
    let done = Arc::new(Notify::new());
    Task::with(move |_, stream| {
        let done = done.clone();
        serve(page, done, stream)
    })
}

async fn serve(page: &'static str, done: Arc<Notify>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let done = done.clone();
        async move {
            match request.uri().path() {
                "/done" => done.notify_one(),
                "/until-done" => done.notified().await,
                _ => {}
            }
            answer(page, &request)
        }
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn answer(
    page: &'static str,
    request: &Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let whole = |text: &[u8]| Full::new(Bytes::copy_from_slice(text)).boxed_unsync();
    let builder = Response::builder();
    let answer = match request.uri().path() {
        "/" => builder
            .header("content-type", "text/html; charset=utf-8")
            .body(whole(page.as_bytes())),
        "/file" => match part(request) {
            Some((first, last)) => {
                let range = format!("bytes {first}-{last}/{}", FILE.len());
                let builder = builder.status(206).header("content-range", range);
                builder.body(whole(&FILE[first..=last]))
            }
            None => builder.body(whole(FILE)),
        },
        "/events" => {
            let ticks = interval(BETWEEN);
            let events = Events { next: 0, ticks };
            builder
                .header("content-type", "text/event-stream")
                .body(events.boxed_unsync())
        }
        path => builder.body(whole(path.as_bytes())),
    };
    Ok(answer.unwrap())
}

/// First and last byte that are asked for.
fn part(request: &Request<Incoming>) -> Option<(usize, usize)> {
    let range = request.headers().get("range")?.to_str().unwrap();
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().unwrap(), last.parse().unwrap()))
}
