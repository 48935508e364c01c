//! Chromium: a page by HTTP/2 that fetches, speaks WebSocket and listens to events; what it saw is read in the page.

use crate::harness::service;
use crate::pages;
use crate::programs::{CHROMIUM, WEBSOCKETS};
use crate::site::{LABELS, ScriptTask, Site};
use serde_json::{Value, json};

/// Labels of the service with the page, and those of the one with WebSockets on the same host.
const CHAT: [(&str, &str); 3] = [
    LABELS[0],
    LABELS[1],
    ("com.docker.lb.context_root", "/chat"),
];

#[test]
fn a_page_a_websocket_and_events_by_one_connection_of_http2() {
    let (Some(chromium), Some(python)) = (CHROMIUM.find(), WEBSOCKETS.find()) else {
        return;
    };
    let page = pages::start(include_str!("scripts/page.html"));
    let chat = ScriptTask::start(python, "ws_server.py");
    let services = [
        service("a", &LABELS, &[&page]),
        service("chat", &CHAT, &[&chat.task]),
    ];
    let site = Site::start(&services);
    let own = tempfile::tempdir().unwrap();
    let log = own.path().join("net.json");
    let port = site.router.https.port();
    let dom = chromium.run(&[
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        // Nothing of its own goes out.
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--host-resolver-rules=MAP a.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        &format!("--ignore-certificate-errors-spki-list={}", site.key_hash),
        &format!("--user-data-dir={}", own.path().join("profile").display()),
        &format!("--log-net-log={}", log.display()),
        "--dump-dom",
        &format!("https://a.test:{port}/"),
    ]);
    let (_, result) = dom.split_once("<pre id=\"result\">").unwrap();
    let (result, _) = result.split_once("</pre>").unwrap();
    let seen: Value = serde_json::from_str(result).unwrap_or_else(|_| panic!("{dom}"));
    assert_eq!(seen["error"], Value::Null, "{seen}");
    assert_eq!(seen["protocols"], "h2", "{seen}");
    assert_eq!(
        (&seen["fetched"], &seen["self"]),
        (&json!(50), &json!(true))
    );
    let socket = json!({
        "came": ["zażółć", 1 << 20],
        "code": 4321,
        "reason": "so be it",
        "wasClean": true,
    });
    assert_eq!(seen["socket"], socket);
    let extensions = seen["extensions"].as_str().unwrap();
    assert!(extensions.starts_with("permessage-deflate"), "{seen}");
    // Five events, 300 ms between two; the first of them comes while the page still has other things to do.
    let events = "0 event 0,1 event 1,2 event 2,3 event 3,4 event 4";
    assert_eq!(seen["events"], events);
    let between = seen["between"].as_array().unwrap();
    let apart = between[1..].iter().all(|ms| ms.as_u64().unwrap() > 100);
    assert!(apart, "they came together: {seen}");
    // RFC 8441: the WebSocket is a stream of the page's connection.
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("\":protocol: websocket\""), "{}", log.len());
}
