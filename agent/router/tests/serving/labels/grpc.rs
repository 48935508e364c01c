//! `server.scheme=h2c` as gRPC needs it: HTTP/2 on both sides, trailers both ways, `TE: trailers`.

use super::labels;
use crate::harness::{Router, Task, service};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2 as client;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::ready;
use tokio::net::TcpStream;

const LABELS: &str = "traefik.http.routers.a.rule=Host(`a.test`)
    traefik.http.services.a.loadbalancer.server.port=18080
    traefik.http.services.a.loadbalancer.server.scheme=h2c";

/// A server that answers with the body that it got, and with the trailers that it saw.
fn echoes() -> Task {
    Task::with(|_, stream| async move {
        let service = service_fn(|request: Request<Incoming>| async {
            assert_eq!(request.version(), Version::HTTP_2);
            let te = request.headers().get("te").cloned();
            let whole = request.into_body().collect().await.unwrap();
            let mut trailers = whole.trailers().cloned().unwrap_or_default();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let body = Full::new(whole.to_bytes()).with_trailers(ready(Some(Ok(trailers))));
            let mut answer = Response::new(body);
            if let Some(te) = te {
                answer.headers_mut().insert("x-te", te);
            }
            Ok::<_, Infallible>(answer)
        });
        let builder = http2::Builder::new(TokioExecutor::new());
        let _ = builder
            .serve_connection(TokioIo::new(stream), service)
            .await;
    })
}

/// Calls a method: head, body and trailers of the answer.
async fn call(router: &Router, media_type: &str) -> (Response<()>, Bytes, HeaderMap) {
    let stream = TcpStream::connect(router.http).await.unwrap();
    let handshake = client::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("7"));
    trailers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
    let body = Full::new(Bytes::from("hello")).with_trailers(ready(Some(Ok(trailers))));
    let request = Request::post("http://a.test/shop.Cart/Add")
        .header("content-type", media_type)
        .header("te", "trailers")
        .body(body)
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let whole = body.collect().await.unwrap();
    let trailers = whole.trailers().cloned().unwrap_or_default();
    (Response::from_parts(parts, ()), whole.to_bytes(), trailers)
}

#[test]
fn grpc_has_its_trailers_both_ways() {
    let task = echoes();
    let router = Router::start(&[service("a", &labels(LABELS), &[&task])]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (head, body, trailers) = runtime.block_on(call(&router, "application/grpc+proto"));
    assert_eq!((head.status().as_u16(), &body[..]), (200, &b"hello"[..]));
    assert_eq!(head.headers()["x-te"], "trailers");
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["x-checksum"], "7");
    // What the router says is said by nobody else.
    assert!(!trailers.contains_key("x-forwarded-for"));
    // Requests that are no calls have none.
    let (_, body, trailers) = runtime.block_on(call(&router, "text/plain"));
    assert_eq!(&body[..], b"hello");
    assert!(!trailers.contains_key("x-checksum"));
    assert_eq!(trailers["grpc-status"], "0");
}
