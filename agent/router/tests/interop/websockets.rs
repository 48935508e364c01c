//! The Python package websockets, as client and as task.

use crate::harness::service;
use crate::programs::WEBSOCKETS;
use crate::site::{LABELS, ScriptTask, Site};

/// Runs a case of the client's script, without and by TLS.
#[track_caller]
fn passes(case: &str) {
    let Some(python) = WEBSOCKETS.find() else {
        return;
    };
    let task = ScriptTask::start(python, "ws_server.py");
    let site = Site::start(&[service("a", &LABELS, &[&task.task])]);
    for (port, certificate) in site.ways() {
        python.run_script("ws_client.py", [&port, &certificate, case]);
    }
}

#[test]
fn texts_and_bytes_of_any_length_come_back() {
    passes("messages");
}

#[test]
fn messages_in_parts_come_back_whole() {
    passes("parts");
}

#[test]
fn pings_are_answered_by_the_other_end() {
    passes("pings");
}

#[test]
fn each_end_sees_the_code_with_which_the_other_one_closes() {
    passes("closes");
}

#[test]
fn a_task_sees_that_its_client_is_gone() {
    passes("breaks");
}

#[test]
fn a_hundred_are_served_at_a_time() {
    passes("many");
}

#[test]
fn compression_is_between_the_two_ends() {
    passes("extensions");
}
