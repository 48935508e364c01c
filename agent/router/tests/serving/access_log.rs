//! Lines of the access log: what they say of ordinary exchanges, and of those that go wrong.

use super::tls::{get, until};
use crate::harness::{Client, Router, Task, ask, certificate, get_over_http2, service};
use lb_router_wire::Service;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];
const JSON: [&str; 2] = ["--access-log", "json"];

fn start(services: &[Service]) -> Router {
    Router::start_with(services, &JSON)
}

fn line(router: &Router) -> Value {
    let line = router.log_line();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Has the line these fields?
fn assert_has(line: &Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&line[name], value, "{name} of {line}");
    }
}

#[test]
fn an_exchange_has_a_line_once_it_has_ended() {
    let task = Task::start();
    let router = start(&[service("a", &LABELS, &[&task])]);
    let mut client = Client::connect(router.http);
    let request = "POST /x?token=secret HTTP/1.1\r\nHost: A.test\r\nContent-Length: 5\r\n\
         User-Agent: curl/8\r\nReferer: https://b.test/y?token=secret\r\n\r\nhello";
    let answer = client.ask(request);
    let text = router.log_line();
    assert!(!text.contains("secret"), "{text}");
    let first: Value = serde_json::from_str(&text).unwrap();
    assert_has(
        &first,
        &json!({
            "client": "127.0.0.1", "entry_point": "http", "protocol": "HTTP/1.1", "host": "a.test",
            "method": "POST", "path": "/x", "status": 200, "bytes_in": 5,
            "bytes_out": answer.body.len(), "tries": 1, "service": "a",
            "task": format!("task-{}", task.key), "node": "node1", "reused": false,
            "user_agent": "curl/8", "referer": "https://b.test/y", "tls": null, "error": null,
        }),
    );
    assert_eq!(
        [first["id"].as_str().unwrap()],
        answer.seen("x-request-id")[..]
    );
    let flow = first["flow"].as_str().unwrap();
    assert!(flow.starts_with("127.0.0.1:"), "{flow}");
    assert!(
        flow.ends_with(&format!(">{}", router.http.port())),
        "{flow}"
    );
    assert!(first["head_ms"].as_f64() <= first["ms"].as_f64(), "{first}");
    client.ask(request);
    assert_has(&line(&router), &json!({ "reused": true, "flow": flow }));
}

#[test]
fn who_gets_no_answer_of_a_task_has_a_line_that_says_why() {
    let (absent, task) = (Task::absent(), Task::start());
    let absent_labels = [("com.docker.lb.hosts", "absent.test"), LABELS[1]];
    let router = start(&[
        service("a", &LABELS, &[&task]),
        service("absent", &absent_labels, &[&absent]),
    ]);
    for (request, fields) in [
        (
            "GET /y HTTP/1.1\r\nHost: nobody.test\r\n\r\n",
            json!({ "status": 404, "error": "no-route", "host": "nobody.test", "tries": 0, "service": null }),
        ),
        (
            "GET / HTTP/1.1\r\nHost: absent.test\r\n\r\n",
            json!({ "status": 502, "error": "not-connected", "service": "absent", "tries": 1 }),
        ),
        (
            "HEAD /z HTTP/1.1\r\nHost: nobody.test\r\n\r\n",
            json!({ "status": 404, "error": "no-route", "method": "HEAD", "bytes_out": 0 }),
        ),
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
            json!({ "status": 400, "error": "many-hosts", "client": "127.0.0.1" }),
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            json!({ "status": 405, "error": "method", "method": "TRACE" }),
        ),
    ] {
        Client::connect(router.http).send(request);
        assert_has(&line(&router), &fields);
    }
}

#[test]
fn a_request_that_is_sent_to_another_task_has_one_line() {
    let (absent, task) = (Task::absent(), Task::start());
    let router = start(&[service("a", &LABELS, &[&absent, &task])]);
    let retried = (0..20).find_map(|_| {
        ask(router.http, "a.test", "/");
        Some(line(&router)).filter(|line| line["tries"] == 2)
    });
    assert_has(
        &retried.unwrap(),
        &json!({
            "status": 200, "retried_because": "not-connected", "error": null,
            "task": format!("task-{}", task.key),
        }),
    );
}

/// A task that begins an answer and does this with the connection.
fn begins(ends: bool) -> Task {
    Task::with(move |_, mut stream| async move {
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
        stream.write_all(answer).await.unwrap();
        if !ends {
            // The router learns from what it writes that its client is gone.
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let _ = stream.write_all(b"x").await;
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    })
}

#[test]
fn an_answer_that_breaks_off_says_who_broke_it_off() {
    let (task, slow) = (begins(true), begins(false));
    let slow_labels = [("com.docker.lb.hosts", "slow.test"), LABELS[1]];
    let silent = Task::with(|_, stream| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    });
    let silent_labels = [("com.docker.lb.hosts", "silent.test"), LABELS[1]];
    let router = start(&[
        service("a", &LABELS, &[&task]),
        service("slow", &slow_labels, &[&slow]),
        service("silent", &silent_labels, &[&silent]),
    ]);
    let mut client = Client::connect(router.http);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_has(
        &line(&router),
        &json!({ "status": 200, "error": "answer-broken", "bytes_out": 4 }),
    );
    let mut client = Client::connect(router.http);
    client.send("GET / HTTP/1.1\r\nHost: slow.test\r\n\r\n");
    std::thread::sleep(Duration::from_millis(300));
    drop(client);
    assert_has(
        &line(&router),
        &json!({ "status": 200, "error": "client-gone-in-answer" }),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(router.http).await.unwrap();
        let asking = get_over_http2(stream, "http://silent.test/");
        let asking = tokio::time::timeout(Duration::from_millis(300), asking);
        asking.await.unwrap_err();
    });
    drop(runtime);
    assert_has(
        &line(&router),
        &json!({ "status": 499, "error": "client-gone", "protocol": "HTTP/2.0", "head_ms": null }),
    );
}

#[test]
fn a_websocket_has_a_line_at_its_end() {
    let task = Task::start();
    let router = start(&[service("a", &LABELS, &[&task])]);
    let mut client = Client::connect(router.http);
    client.ask(
        "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    client.send("there");
    assert_eq!(client.bytes(5), "there");
    // No line came before.
    ask(router.http, "nobody.test", "/");
    assert_has(&line(&router), &json!({ "host": "nobody.test" }));
    drop(client);
    assert_has(
        &line(&router),
        &json!({ "status": 101, "path": "/chat", "bytes_in": 5, "bytes_out": 5, "error": null }),
    );
}

#[test]
fn http2_by_tls_has_the_name_and_the_version() {
    let task = Task::start();
    let router = start(&[service("a", &LABELS, &[&task])]);
    let a = certificate(&router.certificates(), "a", &["a.test"]);
    until(|| get(router.https, &a, "a.test", "https://a.test/x"));
    assert_has(
        &line(&router),
        &json!({
            "protocol": "HTTP/2.0", "entry_point": "https", "tls": "1.3", "sni": "a.test", "host": "a.test",
            "path": "/x", "status": 200,
        }),
    );
}

#[test]
fn a_client_writes_no_line_of_his_own() {
    let task = Task::start();
    let router = start(&[service("a", &LABELS, &[&task])]);
    let evil = "\",\"status\":1,\"x\":\"\\u000a\t\x1b[2J";
    let mut client = Client::connect(router.http);
    client.send(&format!(
        "GET /%22%e9 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: a{}b\r\n\r\n",
        evil.replace('\x1b', "")
    ));
    let line = router.log_line();
    assert!(line.is_ascii(), "{line}");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_has(&line, &json!({ "status": 200, "path": "/%22%E9" }));
    assert_eq!(
        line["user_agent"],
        format!("a{}b", evil.replace('\x1b', ""))
    );
}

#[test]
fn the_common_format_is_there_and_nothing_is_written_unless_asked_for() {
    let task = Task::start();
    let router = Router::start_with(
        &[service("a", &LABELS, &[&task])],
        &["--access-log", "common"],
    );
    ask(router.http, "a.test", "/x?q");
    let text = router.log_line();
    assert!(text.starts_with("127.0.0.1 - - ["), "{text}");
    assert!(text.contains("] \"GET /x HTTP/1.1\" 200 "), "{text}");
    let query = ["--access-log", "json", "--access-log-query", "true"];
    let router = Router::start_with(&[service("a", &LABELS, &[&task])], &query);
    ask(router.http, "a.test", "/x?a=1");
    assert_has(&line(&router), &json!({ "path": "/x", "query": "a=1" }));
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    ask(router.http, "a.test", "/");
    router.terminate();
    assert_eq!(router.rest_of_log(), Vec::<String>::new());
}

#[test]
fn the_last_lines_are_written_at_the_end() {
    let task = Task::start();
    let router = start(&[service("a", &LABELS, &[&task])]);
    for _ in 0..100 {
        ask(router.http, "a.test", "/");
    }
    router.terminate();
    assert_eq!(router.rest_of_log().len(), 100);
}
