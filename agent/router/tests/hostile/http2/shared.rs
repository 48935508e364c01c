//! A connection to a task that clients share (HTTP/2 on both sides): nobody is in the way of others on it.

use super::cases::{End, end};
use super::frames::{Connection, DATA, END_HEADERS, Event, GET, HEADERS, block, frame};
use super::task::{LABELS, Trailers, answer, serve, serve_with};
use crate::harness::{Router, Task, service};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::time::{Duration, Instant};

#[test]
fn who_takes_nothing_of_long_answers_is_in_the_way_of_nobody() {
    let task = Task::absent();
    let (_runtime, _) = serve(task.address);
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    // The task takes 200 requests at a time on a connection.
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stalled = Connection::open(router.http, &[(4, 0)]);
        for stream in (1..200).step_by(2) {
            let mut head = GET;
            head[3].1 = b"/1000000";
            assert!(stalled.request(stream, &head));
            assert_eq!(stalled.event(stream), Event::Status(200, false));
        }
        held.push(stalled);
    }
    let begin = Instant::now();
    for _ in 0..3 {
        let mut other = Connection::open(router.http, &[]);
        let mut head = GET;
        head[3].1 = b"/1000";
        assert!(other.request(1, &head));
        assert_eq!(end(&mut other, 1), End::Answered(200));
    }
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
}

/// Answers before the request has come, which is read on.
async fn early(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    tokio::spawn(request.into_body().collect());
    Ok(Response::default())
}

#[test]
fn a_request_that_goes_on_after_its_answer_has_its_place_until_its_end() {
    let task = Task::absent();
    let _runtime = serve_with(task.address, |_, stream| {
        let serving = http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(1)
            .serve_connection(TokioIo::new(stream), service_fn(early));
        async move { drop(serving.await) }
    });
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let mut first = Connection::open(router.http, &[]);
    let mut post = GET;
    post[0].1 = b"POST";
    assert!(first.send(&frame(HEADERS, END_HEADERS, 1, &block(&post))));
    assert!(first.send(&frame(DATA, 0, 1, b"hello")));
    assert_eq!(end(&mut first, 1), End::Answered(200));
    // The task takes no other request of this connection until the rest of the first one is there.
    let begin = Instant::now();
    let mut second = Connection::open(router.http, &[]);
    assert!(second.request(1, &GET));
    assert_eq!(end(&mut second, 1), End::Answered(200));
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_connection_on_which_an_answer_was_late_gets_no_more_requests() {
    let task = Task::absent();
    let _runtime = serve_with(task.address, |number, stream| async move {
        if number == 0 {
            // It is open, and nobody reads it.
            std::future::pending::<()>().await;
        }
        let service = service_fn(|request| answer(request, Trailers::default()));
        let serving = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        drop(serving.await);
    });
    let services = [service("a", &LABELS, &[&task])];
    let router = Router::start_with(&services, &["--answer-timeout", "1"]);
    for expected in [504, 200] {
        let mut connection = Connection::open(router.http, &[]);
        assert!(connection.request(1, &GET));
        assert_eq!(end(&mut connection, 1), End::Answered(expected));
    }
}
