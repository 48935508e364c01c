//! gRPC, as far as proxies look at it: messages with their lengths before them, and the status in trailers.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Response;
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

/// The beginning of its calls' paths.
pub(crate) const SERVICE: &str = "/grpc.test/";

/// Statuses of calls (doc/statuscodes.md).
const OK: &str = "0";
const UNIMPLEMENTED: &str = "12";
const INTERNAL: &str = "13";

/// Answers a call: of `Who` with one message, which says `who` this is; of `Stream` with the messages that come, one by one.
pub(crate) async fn answer(
    call: &str,
    requests: Incoming,
    who: &str,
) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let body = match call {
        "Stream" => StreamBody::new(echo(requests)).boxed_unsync(),
        "Who" => {
            let came = requests.collect().await;
            let answered = vec![Frame::data(message(who)), status(OK)];
            whole_body(came.map_or_else(|_| vec![status(INTERNAL)], |_| answered))
        }
        _ => whole_body(vec![status(UNIMPLEMENTED)]),
    };
    let mut response = Response::new(body);
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    response
}

fn whole_body(frames: Vec<Frame<Bytes>>) -> UnsyncBoxBody<Bytes, Infallible> {
    let frames = frames.into_iter().map(Ok::<_, Infallible>);
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// A message: not compressed, its length, and its bytes.
fn message(text: &str) -> Bytes {
    let length = u32::try_from(text.len()).unwrap_or_default();
    let mut message = vec![0];
    message.extend(length.to_be_bytes());
    message.extend(text.bytes());
    message.into()
}

/// Messages as they come; where one ends makes no difference.
fn echo(requests: Incoming) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    stream::unfold(Some(requests), |requests| async move {
        let mut requests = requests?;
        let frame = requests.frame().await;
        Some(match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(bytes))) => (Ok(Frame::data(bytes)), Some(requests)),
            Some(Ok(Err(_))) | None => (Ok(status(OK)), None),
            Some(Err(_)) => (Ok(status(INTERNAL)), None),
        })
    })
}

fn status(code: &'static str) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    let name = HeaderName::from_static("grpc-status");
    trailers.insert(name, HeaderValue::from_static(code));
    Frame::trailers(trailers)
}
