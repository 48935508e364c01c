//! The socket as any HTTP client meets it.

use crate::agent::Agent;
use lb_core::report::ErrorBody;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// Status code and body.
fn ask(agent: &Agent, method: &str, path: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(&agent.socket).unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nserver: swarmlb/"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let code = head.split(' ').nth(1).unwrap();
    (code.parse().unwrap(), body.to_owned())
}

#[test]
fn refusals_have_fitting_codes_and_a_sentence() {
    let agent = Agent::start();
    for (method, path, code, message) in [
        (
            "GET",
            "/v1/stats?service=shop_vot",
            404,
            "did you mean shop_vote?",
        ),
        (
            "GET",
            "/v1/stats?scope=galaxy",
            400,
            "use scope=node or scope=cluster",
        ),
        (
            "GET",
            "/v1/flows?limit=-1",
            400,
            "use service=NAME and limit",
        ),
        (
            "GET",
            "/v1/explain?client=203.0.113.7",
            400,
            "missing field `frontend`",
        ),
        (
            "GET",
            "/v1/explain?client=x&frontend=alpha:80",
            400,
            "x is no client",
        ),
        ("GET", "/v2/status", 404, "knows no /v2/status"),
        ("POST", "/v1/status", 405, "only GET is answered here"),
        ("DELETE", "/v1/services", 405, "only GET is answered here"),
    ] {
        let (found, body) = ask(&agent, method, path);
        assert_eq!(found, code, "{method} {path}");
        let refusal: ErrorBody = serde_json::from_str(&body).unwrap();
        assert!(refusal.error.contains(message), "{}", refusal.error);
    }
    assert_eq!(ask(&agent, "GET", "/v1/status").0, 200);
    *agent.source.0.lock().unwrap() = None;
    for path in ["services", "nodes", "stats", "check"] {
        assert_eq!(ask(&agent, "GET", &format!("/v1/{path}")).0, 503);
    }
}

#[test]
fn a_client_that_sends_nonsense_harms_nobody() {
    let agent = Agent::start();
    for nonsense in [
        &b"\0\0\0\0"[..],
        b"GET",
        b"HELLO agent\r\n\r\n",
        &[b'A'; 100_000],
    ] {
        let mut stream = UnixStream::connect(&agent.socket).unwrap();
        // It may hang up before it has read everything.
        let _ = stream.write_all(nonsense);
    }
    assert_eq!(agent.lbctl(&["status"]).code, Some(0));
}
