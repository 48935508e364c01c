//! A task that speaks HTTP/2: notes the trailers of its requests, and answers with as many bytes as the path says.

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Labels of its service.
pub(super) const LABELS: [(&str, &str); 4] = [
    ("traefik.enable", "true"),
    ("traefik.http.routers.a.rule", "Host(`a.test`)"),
    ("traefik.http.services.a.loadbalancer.server.port", "18080"),
    ("traefik.http.services.a.loadbalancer.server.scheme", "h2c"),
];

/// The trailers of each request.
pub(super) type Trailers = Arc<Mutex<Vec<Option<HeaderMap>>>>;

/// Starts it here; it ends with the runtime.
pub(super) fn serve(address: SocketAddr) -> (Runtime, Trailers) {
    let trailers = Trailers::default();
    let noted = trailers.clone();
    let runtime = serve_with(address, move |_, stream| {
        let noted = noted.clone();
        let service = service_fn(move |request| answer(request, noted.clone()));
        let serving = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        async move { drop(serving.await) }
    });
    (runtime, trailers)
}

/// Starts one that does this with the number of each connection, and the connection; it ends with the runtime.
pub(super) fn serve_with<F>(
    address: SocketAddr,
    serve: impl Fn(usize, TcpStream) -> F + Send + 'static,
) -> Runtime
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
    runtime.spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(number, stream));
        }
    });
    runtime
}

pub(super) async fn answer(
    request: Request<Incoming>,
    noted: Trailers,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let length = request.uri().path().trim_start_matches('/').parse();
    let body = request.into_body().collect().await.unwrap();
    noted.lock().unwrap().push(body.trailers().cloned());
    let answer = vec![b'a'; length.unwrap_or(0)];
    Ok(Response::new(Full::new(answer.into())))
}
