//! Node: its HTTP/2 as client and as task, and fetch.

use crate::harness::{Task, service};
use crate::programs::{Found, NODE};
use crate::site::{LABELS, ScriptTask, Site};

const H2C: [(&str, &str); 4] = [
    ("traefik.http.routers.a.rule", "Host(`a.test`)"),
    ("traefik.http.routers.a.entrypoints", "web,websecure"),
    ("traefik.http.services.a.loadbalancer.server.port", "18080"),
    ("traefik.http.services.a.loadbalancer.server.scheme", "h2c"),
];

/// Runs a case of the client's script, without and by TLS.
#[track_caller]
fn passes(node: Found, case: &str, task: &Task, labels: &[(&str, &str)]) {
    let site = Site::start(&[service("a", labels, &[task])]);
    for (port, certificate) in site.ways() {
        node.run_script("node_client.js", [&port, &certificate, case]);
    }
}

#[test]
fn settings_and_windows_that_change_and_a_hundred_streams() {
    let Some(node) = NODE.find() else { return };
    passes(node, "settings", &Task::start(), &LABELS);
}

#[test]
fn fields_after_bodies_pass_both_ways() {
    let Some(node) = NODE.find() else { return };
    let server = ScriptTask::start(node, "node_server.js");
    passes(node, "trailers", &server.task, &H2C);
}

#[test]
fn streams_that_are_given_up_end_at_the_task() {
    let Some(node) = NODE.find() else { return };
    let server = ScriptTask::start(node, "node_server.js");
    passes(node, "gives_up", &server.task, &H2C);
}

#[test]
fn fetch_without_and_by_tls() {
    let Some(node) = NODE.find() else { return };
    passes(node, "fetches", &Task::start(), &LABELS);
}
