//! Trailers on their way to a task that speaks HTTP/2.

use super::cases::{End, end};
use super::frames::{Connection, DATA, END_HEADERS, END_STREAM, Field, GET, HEADERS, block, frame};
use crate::harness::{Router, Task, service};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

type Trailers = Arc<Mutex<Vec<Option<HeaderMap>>>>;

/// A task that notes the trailers of its requests.
fn serve(address: SocketAddr) -> (Runtime, Trailers) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
    let trailers = Trailers::default();
    let noted = trailers.clone();
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let noted = noted.clone();
            let service = service_fn(move |request| answer(request, noted.clone()));
            let serving = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
    (runtime, trailers)
}

async fn answer(
    request: Request<Incoming>,
    noted: Trailers,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap();
    noted.lock().unwrap().push(body.trailers().cloned());
    Ok(Response::new(Empty::new()))
}

#[test]
fn only_grpc_has_trailers_and_none_of_a_router() {
    let task = Task::absent();
    let (_runtime, noted) = serve(task.address);
    let labels = [
        ("traefik.enable", "true"),
        ("traefik.http.routers.a.rule", "Host(`a.test`)"),
        ("traefik.http.services.a.loadbalancer.server.port", "18080"),
        ("traefik.http.services.a.loadbalancer.server.scheme", "h2c"),
    ];
    let router = Router::start(&[service("a", &labels, &[&task])]);
    let trailers: [Field<'_>; 8] = [
        (b"x-forwarded-for", b"forged"),
        (b"x-real-ip", b"forged"),
        (b"x_forwarded_for", b"forged"),
        (b"authorization", b"forged"),
        (b"cookie", b"forged"),
        (b"host", b"forged"),
        (b"content-length", b"3"),
        (b"grpc-sum", b"a"),
    ];
    for media_type in ["application/grpc", "text/plain"] {
        let mut connection = Connection::open(router.http, &[]);
        let mut head = GET.to_vec();
        head[0].1 = b"POST";
        head.push((b"content-type", media_type.as_bytes()));
        head.push((b"te", b"trailers"));
        connection.send(&frame(HEADERS, END_HEADERS, 1, &block(&head)));
        connection.send(&frame(DATA, 0, 1, b"hello"));
        let last = END_STREAM | END_HEADERS;
        connection.send(&frame(HEADERS, last, 1, &block(&trailers)));
        assert_eq!(end(&mut connection, 1), End::Answered(200), "{media_type}");
    }
    let noted = noted.lock().unwrap();
    let [Some(of_grpc), None] = noted.as_slice() else {
        panic!("{noted:?}");
    };
    assert_eq!(of_grpc.len(), 1, "{of_grpc:?}");
    assert_eq!(of_grpc["grpc-sum"], "a");
}
