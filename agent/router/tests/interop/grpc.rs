//! The Python package grpcio, as client and as task: the task speaks HTTP/2 without TLS, the client with and without.

use crate::harness::service;
use crate::programs::{Found, GRPC};
use crate::site::{ScriptTask, Site};
use lb_router_wire::Service;
use std::time::Duration;

const LABELS: [(&str, &str); 4] = [
    ("traefik.http.routers.a.rule", "Host(`a.test`)"),
    ("traefik.http.routers.a.entrypoints", "web,websecure"),
    ("traefik.http.services.a.loadbalancer.server.port", "18080"),
    ("traefik.http.services.a.loadbalancer.server.scheme", "h2c"),
];

/// The service with these tasks.
fn calls(tasks: &[&ScriptTask]) -> [Service; 1] {
    let tasks: Vec<_> = tasks.iter().map(|it| &it.task).collect();
    [service("a", &LABELS, &tasks)]
}

fn task(python: Found) -> ScriptTask {
    ScriptTask::start(python, "grpc_server.py")
}

/// Runs cases of the client's script, without and by TLS.
#[track_caller]
fn passes(cases: &[&str]) {
    let Some(python) = GRPC.find() else { return };
    for way in 0..2 {
        // What a task has seen is asked of it: each way has its own.
        let task = task(python);
        let site = Site::start(&calls(&[&task]));
        let (port, certificate) = &site.ways()[way];
        for case in cases {
            python.run_script("grpc_client.py", [port, certificate, case]);
        }
    }
}

#[test]
fn every_kind_of_call_is_served() {
    passes(&["kinds"]);
}

#[test]
fn messages_of_a_stream_come_one_by_one() {
    passes(&["one_by_one"]);
}

#[test]
fn statuses_their_details_and_metadata_are_those_of_the_task() {
    passes(&["statuses", "metadata", "refused"]);
}

#[test]
fn a_call_that_the_router_refuses_has_the_status_for_it() {
    let Some(python) = GRPC.find() else { return };
    let task = task(python);
    let labels = [
        LABELS[2],
        LABELS[3],
        ("traefik.http.routers.a.rule", "PathPrefix(`/test.Calls/`)"),
        ("traefik.http.routers.closed.rule", "PathPrefix(`/closed/`)"),
        ("traefik.http.routers.closed.middlewares", "nobody"),
        (
            "traefik.http.middlewares.nobody.ipallowlist.sourcerange",
            "192.0.2.1",
        ),
        ("traefik.http.routers.door.rule", "PathPrefix(`/door/`)"),
        ("traefik.http.routers.door.middlewares", "door"),
        ("traefik.http.middlewares.door.basicauth.users", "a:{SHA}b"),
    ];
    let site = Site::start(&[service("a", &labels, &[&task.task])]);
    let [(port, no_certificate), _] = site.ways();
    python.run_script("grpc_client.py", [&port, &no_certificate, "of_the_router"]);
}

#[test]
fn deadlines_and_cancelled_calls_reach_the_task() {
    passes(&["ends"]);
}

#[test]
fn messages_of_4_mib_and_long_streams_pass() {
    passes(&["large"]);
}

#[test]
fn a_task_that_takes_few_streams_of_a_connection_gets_more_connections() {
    let Some(python) = GRPC.find() else { return };
    let task = ScriptTask::start_with(python, "grpc_server.py", &["2"]);
    let site = Site::start(&calls(&[&task]));
    let [(port, no_certificate), _] = site.ways();
    python.run_script("grpc_client.py", [&port, &no_certificate, "many_streams"]);
}

#[test]
fn a_stream_on_which_only_one_side_speaks_goes_on() {
    let Some(python) = GRPC.find() else { return };
    let task = task(python);
    let site = Site::start_with(&calls(&[&task]), &["--body-timeout", "1"]);
    let [(port, no_certificate), _] = site.ways();
    for case in ["one_side", "no_side"] {
        python.run_script("grpc_client.py", [&port, &no_certificate, case]);
    }
}

#[test]
fn a_task_that_is_gone_is_unavailable_and_served_again_when_it_is_back() {
    let Some(python) = GRPC.find() else { return };
    let first = task(python);
    let mut site = Site::start(&calls(&[&first]));
    let [(port, _), _] = site.ways();
    let mut client = python.start("grpc_client.py", &[&port, "-", "comes_and_goes"]);
    client.says("served");
    let ScriptTask {
        task: gone,
        running,
    } = first;
    drop(running);
    client.tell("gone");
    client.says("unavailable");
    let second = task(python);
    site.router
        .view(&[service("a", &LABELS, &[&gone, &second.task])]);
    client.tell("back");
    assert!(client.ended_well());
}

#[test]
fn a_router_that_ends_fails_no_call_and_ends_no_stream() {
    let Some(python) = GRPC.find() else { return };
    for way in 0..2 {
        let task = task(python);
        let services = calls(&[&task]);
        let mut site = Site::start(&services);
        let (port, certificate) = site.ways()[way].clone();
        let mut client = python.start("grpc_client.py", &[&port, &certificate, "goes_on"]);
        client.says("under way");
        let _next = site.router.successor(&services);
        site.router.terminate();
        client.says("over");
        site.router.ends();
        client.tell("ended");
        assert!(client.ended_well());
    }
}

#[test]
fn a_task_that_ends_fails_no_call_and_ends_no_stream() {
    ends_under_way(true);
}

/// The agent has not heard of it; its connections are told (GOAWAY).
#[test]
fn a_task_that_ends_unannounced_fails_no_call_and_ends_no_stream() {
    ends_under_way(false);
}

fn ends_under_way(announced: bool) {
    let Some(python) = GRPC.find() else { return };
    let mut leaving = task(python);
    let mut site = Site::start(&calls(&[&leaving]));
    let [(port, _), _] = site.ways();
    let case = if announced {
        "goes_on"
    } else {
        "goes_on_but_for_cancelled"
    };
    let mut client = python.start("grpc_client.py", &[&port, "-", case]);
    client.says("under way");
    let other = task(python);
    leaving.task.leaving = announced;
    site.router.view(&calls(&[&leaving, &other]));
    // The calls that have begun there end; a task gets its signal later than its routers hear of it.
    std::thread::sleep(Duration::from_millis(300));
    leaving.running.tell("stop");
    client.says("over");
    leaving.running.says("stopped");
    client.tell("ended");
    assert!(client.ended_well());
}
