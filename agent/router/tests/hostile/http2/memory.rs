//! Clients that make the router hold more than its memory, together: it ends those that cost the most, and others are
//! served on.

use super::frames::{
    CONTINUATION, Connection, END_HEADERS, END_STREAM, GET, HEADERS, SETTINGS, block, frame,
};
use super::task::LABELS;
use crate::harness::{Router, Task, ask, service};
use lb_router_wire::stats::Total;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

/// What the router may hold, in MiB. Its clients below ask for more.
const LIMIT: u64 = 128;
/// How long the others wait for an answer while it lasts.
const WAIT: Duration = Duration::from_secs(5);

/// A task that speaks HTTP/2, and answers nothing.
fn never_answers() -> Task {
    Task::with(|_, mut stream| async move {
        let _ = stream.write_all(&frame(SETTINGS, 0, 0, &[])).await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
}

/// 128 requests of almost the largest size, of which none is answered.
fn attack(router: &Router) -> Connection {
    let mut connection = Connection::open(router.http, &[]);
    let value = vec![b'b'; 250];
    let mut fields = GET.to_vec();
    fields.extend(std::iter::repeat_n((b"a".as_slice(), value.as_slice()), 90));
    let head = block(&fields);
    let (begin, rest) = head.split_at(16_000);
    for stream in (1..256).step_by(2) {
        connection.send(&frame(HEADERS, END_STREAM, stream, begin));
        connection.send(&frame(CONTINUATION, END_HEADERS, stream, rest));
    }
    connection
}

#[test]
fn all_clients_together_get_no_more_memory_than_there_is() {
    let (silent, other) = (never_answers(), Task::start());
    let of_other = [
        ("com.docker.lb.hosts", "b.test"),
        ("com.docker.lb.port", "18080"),
    ];
    let services = [
        service("a", &LABELS, &[&silent]),
        service("b", &of_other, &[&other]),
    ];
    let limit = LIMIT.to_string();
    // A trusted proxy's address may have as many requests as there may be.
    let arguments = ["--memory-mib", &limit, "--trusted-proxies", "127.0.0.0/8"];
    let mut router = Router::start_with(&services, &arguments);
    let ask = |router: &Router| {
        let begin = Instant::now();
        assert_eq!(ask(router.http, "b.test", "/").status, 200);
        assert!(begin.elapsed() < WAIT, "{:?}", begin.elapsed());
    };
    ask(&router);
    let before = router.resident_kib();
    let mut held = Vec::new();
    for number in 0..40 {
        held.push(attack(&router));
        ask(&router);
        let now = router.resident_kib();
        assert!(
            now < before + (LIMIT << 10),
            "{before} KiB, and {now} KiB after {number} connections"
        );
    }
    let shed = |router: &mut Router| {
        let totals = router.stats().totals;
        totals.get(Total::ShedMemory as usize).copied()
    };
    let begin = Instant::now();
    while shed(&mut router).unwrap_or_default() == 0 {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}
