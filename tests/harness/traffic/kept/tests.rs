//! Each way in which a request may end, at a server of one.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::load::{self, Load, Report};
use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
const BAD_GATEWAY: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
/// Duration of each load.
const MOMENT: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(5);

/// Each of its connections answers once, and ends with the second request.
async fn serve_once(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut heads = Vec::new();
            let mut answered = false;
            while stream.read_buf(&mut heads).await.is_ok_and(|read| read > 0) {
                if !heads.ends_with(b"\r\n\r\n") {
                    continue;
                }
                if answered || stream.write_all(OK).await.is_err() {
                    return;
                }
                answered = true;
            }
        });
    }
}

/// Answers each request by these bytes, and closes the connection after the first one if `closes`.
async fn serve(listener: TcpListener, answer: &'static [u8], closes: bool) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut head = Vec::new();
            while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                if !head.ends_with(b"\r\n\r\n") {
                    continue;
                }
                head.clear();
                if stream.write_all(answer).await.is_err() || closes {
                    return;
                }
            }
        });
    }
}

/// The address of such a server.
async fn server(answer: &'static [u8], closes: bool) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, answer, closes));
    address
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// What comes of two connections with 50 requests a second.
async fn kept(peer: SocketAddr) -> KeptReport {
    let load = KeptLoad {
        peer,
        host: "some.test".to_owned(),
        connections: 2,
        rate: 50,
        timeout: PATIENCE,
    };
    let stop = AtomicBool::new(false);
    let stopping = async {
        time::sleep(MOMENT).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (report, ()) = tokio::join!(run(&load, &stop), stopping);
    assert!(report.requests > 1, "{report:?}");
    report
}

/// What comes of a new connection for each of 50 requests a second.
async fn new(peer: SocketAddr) -> Report {
    let load = Load {
        rate: 50,
        at_most: MOMENT,
        ..Load::new([peer])
    };
    load::run(&load, &Arc::default()).await
}

#[tokio::test]
async fn a_refused_connection_is_a_failed_request() {
    let peer = nobody().await;
    let report = kept(peer).await;
    assert_eq!((report.failed, report.closed), (report.requests, 0));
    let report = new(peer).await;
    assert!(report.failed > 1 && report.answered() == 0, "{report:?}");
}

#[tokio::test]
async fn an_answer_other_than_200_is_a_failed_request() {
    let peer = server(BAD_GATEWAY, false).await;
    let report = kept(peer).await;
    assert_eq!((report.failed, report.closed), (report.requests, 0));
    let report = new(peer).await;
    assert!(report.failed > 1 && report.answered() == 0, "{report:?}");
}

#[tokio::test]
async fn a_connection_that_ends_in_place_of_an_answer_is_a_failed_request() {
    let report = kept(server(b"", true).await).await;
    assert_eq!(report.failed, report.requests, "{report:?}");
    assert_eq!(report.closed, report.requests, "{report:?}");
}

#[tokio::test]
async fn a_request_whose_connection_had_answered_before_is_told_from_one_on_a_new_connection() {
    // Each new connection ends in place of its first answer.
    let report = kept(server(b"", true).await).await;
    assert_eq!(report.cut, 0, "{report:?}");
    // Each answers its first request, and ends in place of its second answer.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let peer = listener.local_addr().unwrap();
    tokio::spawn(serve_once(listener));
    let report = kept(peer).await;
    assert!(report.cut > 1, "{report:?}");
    assert_eq!(report.failed, report.cut, "{report:?}");
}

#[tokio::test]
async fn a_connection_that_ends_between_two_answers_is_counted_and_no_failure() {
    for last in [OK, LAST] {
        let report = kept(server(last, true).await).await;
        assert!(report.closed > 1, "{report:?}");
        assert_eq!(report.failed, 0, "{report:?}");
    }
}

#[tokio::test]
async fn where_all_is_answered_nothing_has_failed_or_ended() {
    const TASK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 92\r\n\r\n\
        {\"hostname\":\"a\",\"peer\":\"127.0.0.1:1\",\"local\":\"127.0.0.1:2\",\"task\":\"t1\",\"since_ms\":123456789}";
    let report = kept(server(TASK, false).await).await;
    assert_eq!((report.failed, report.closed), (0, 0), "{report:?}");
    assert_eq!(report.tasks, BTreeSet::from(["t1".to_owned()]));
}
