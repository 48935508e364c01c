//! Trailers on their way to a task that speaks HTTP/2.

use super::cases::{End, end};
use super::frames::{Connection, DATA, END_HEADERS, END_STREAM, Field, GET, HEADERS, block, frame};
use super::task::{LABELS, serve};
use crate::harness::{Router, Task, service};

#[test]
fn only_grpc_has_trailers_and_none_of_a_router() {
    let task = Task::absent();
    let (_runtime, noted) = serve(task.address);
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
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
