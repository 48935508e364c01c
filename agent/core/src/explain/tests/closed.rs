//! Flows that are over, and packets that are left to the kernel.

use super::*;
use lb_abi::service::{SCHED_MAGLEV, SCHED_SH};

const CLOSED: u32 = FIN_IN | FIN_OUT;

#[test]
fn a_closed_flow_or_one_without_its_task_is_followed_by_a_new_one_by_the_clients_hash() {
    for scheduler in [SCHED_SH, SCHED_MAGLEV] {
        let mut memory = memory();
        for frontend in memory.frontends.values_mut() {
            frontend.scheduler = scheduler;
        }
        flow(&mut memory, 1, "t9", CLOSED, Be32::new(0));
        flow(&mut memory, 2, "t1", ANSWERED, Be32::new(0));
        flow(&mut memory, 3, "t9", ANSWERED, Be32::new(0));
        for (client, rule) in [
            ("203.0.113.7:1", Rule::ByHash),
            ("203.0.113.7:2", Rule::ByHash),
            ("203.0.113.7:3", Rule::KnownFlow),
        ] {
            assert_eq!(ask(&memory, client, "alpha:8080").rule, rule, "{client}");
        }
    }
}

#[test]
fn a_closed_flow_decides_nothing_where_no_task_takes_new_connections() {
    for bridge in [0, 3] {
        let mut memory = memory();
        memory.settings.as_mut().unwrap().bridge = bridge;
        for frontend in memory.frontends.values_mut() {
            frontend.count = 0;
        }
        flow(&mut memory, 5, "t9", CLOSED, Be32::new(0));
        let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
        assert_eq!(
            (told.rule, told.verdict, told.task),
            (Rule::NoReadyTask, Verdict::Passed, None)
        );
        assert_eq!(told.flow, Some(FlowState::Closed));
    }
}

#[test]
fn the_task_of_a_closed_flow_is_not_named_where_no_other_is_found() {
    let mut memory = memory();
    memory.slots.clear();
    flow(&mut memory, 5, "t9", CLOSED, Be32::new(0));
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.reason.as_deref(), told.task), (Some("no-slot"), None));
}

#[test]
fn it_is_said_what_the_kernel_does_with_what_is_left_to_it() {
    let last = |memory: &Memory, frontend: &str| {
        let told = ask(memory, "203.0.113.7:5", frontend);
        assert_eq!(told.verdict, Verdict::Passed);
        told.sentences.last().unwrap().clone()
    };
    let unchanged = "The packet is left to the kernel, unchanged.";
    let mut memory = memory();
    assert_eq!(last(&memory, "beta:8080"), unchanged);
    assert_eq!(last(&memory, "alpha:9100"), unchanged);
    let port = Port::new(Be16::new(8080), TCP);
    memory.settings.as_mut().unwrap().bridge = 0;
    memory.turns.get_mut().insert(port, 8);
    assert_eq!(
        last(&memory, "alpha:8080"),
        "vote.1 runs on this node, but docker_gwbridge is not known: the packet is left to the kernel."
    );
    memory.frontends.get_mut(&port).unwrap().count = 0;
    assert_eq!(
        last(&memory, "alpha:8080"),
        "The packet is left to the kernel, which refuses it."
    );
}
