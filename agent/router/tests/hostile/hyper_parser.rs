//! Reads requests as hyper's server does.

use super::parsers::{Read, Reading};
use http::header::HOST;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What it says of bytes.
pub(crate) fn read(bytes: &[u8]) -> Reading {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(served(bytes))
}

async fn served(bytes: &[u8]) -> Reading {
    let (mut client, server) = tokio::io::duplex(2 << 20);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let requests = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request| answer(request, requests.clone()));
    let serving = http1::Builder::new()
        .half_close(true)
        .max_headers(400)
        .serve_connection(TokioIo::new(server), service);
    let error = serving.await.err();
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).await.unwrap();
    Reading {
        requests: requests.take(),
        error: error.map(|error| error.to_string()),
    }
}

async fn answer(
    request: Request<Incoming>,
    requests: Rc<RefCell<Vec<Read>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec());
    let hosts = parts.headers.get_all(HOST).iter();
    requests.borrow_mut().push(Read {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        hosts: hosts
            .map(|host| host.to_str().unwrap().to_owned())
            .collect(),
        whole: body.is_ok(),
        body: body.unwrap_or_default(),
    });
    Ok(Response::new(Empty::new()))
}
