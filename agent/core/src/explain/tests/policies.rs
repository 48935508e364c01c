//! What decides about a new connection where it is not the turn alone, and what keeps one from being opened.

use super::*;
use crate::model::ids::Key;
use lb_abi::service::{
    AffinityKey, AffinityValue, Frontend, RESTRICTED, SCHED_LC, SCHED_MAGLEV, SCHED_SH, Source,
};

fn port() -> Port {
    Port::new(Be16::new(8080), TCP)
}

/// The node, with all ports changed.
fn with(change: impl Fn(&mut Frontend)) -> Memory {
    let mut memory = memory();
    memory.frontends.values_mut().for_each(change);
    memory
}

#[test]
fn a_client_that_was_with_a_task_stays_with_it_and_others_take_their_turn() {
    let mut memory = with(|frontend| frontend.affinity_ticks = 10);
    let client = AffinityKey {
        port: port(),
        address: Be32::from_bytes([203, 0, 113, 7]),
    };
    let kept = AffinityValue {
        task: Key::of("t9").0,
        since: 995,
        zero: 0,
    };
    memory.kept.get_mut().insert(client, kept);
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.rr_counter), (Rule::Kept, None));
    says(
        &told,
        &[
            "vote publishes 8080/tcp, and 2 tasks of it take new connections.",
            "The client was with vote.1 and stays with it (swarmlb.affinity).",
            "vote.1 runs on this node: the packet is addressed to 172.18.0.3:80 and handed to docker_gwbridge.",
        ],
    );
    let told = ask(&memory, "203.0.113.8:5", "alpha:8080");
    assert_eq!((told.rule, told.rr_counter), (Rule::RoundRobin, Some(7)));
}

#[test]
fn the_less_loaded_of_two_tasks_is_named() {
    let mut memory = with(|frontend| frontend.scheduler = SCHED_LC);
    // It is the turn of the second one, which is busier.
    let loads = [("t7", 5), ("t9", 0)].map(|(task, load)| (Key::of(task).0, load));
    *memory.loads.get_mut() = loads.into();
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.rr_counter), (Rule::FewestFlows, Some(7)));
    assert_eq!(
        told.sentences[2],
        "Of two tasks, vote.1 has fewer connections through this node, or as many and the turn."
    );
}

#[test]
fn by_hash_it_is_said_of_what() {
    for (scheduler, what) in [(SCHED_SH, "address"), (SCHED_MAGLEV, "address and port")] {
        let memory = with(|frontend| frontend.scheduler = scheduler);
        let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
        assert_eq!((told.rule, told.rr_counter), (Rule::ByHash, None));
        let task = told.task.unwrap();
        assert_eq!(
            told.sentences[2],
            format!("By the hash of the client's {what} it goes to {task}, on every node.")
        );
    }
}

#[test]
fn who_may_not_call_is_told_why() {
    let mut memory = with(|frontend| frontend.flags = RESTRICTED);
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!(
        (told.rule, told.verdict),
        (Rule::NotAllowed, Verdict::Dropped)
    );
    assert_eq!(
        (told.reason.as_deref(), told.task),
        (Some("not-allowed"), None)
    );
    assert_eq!(
        told.sentences[1],
        "vote publishes 8080/tcp to some networks only, by its label swarmlb.allow."
    );
    let source = Source {
        port: port(),
        address: Be32::from_bytes([203, 0, 113, 0]),
    };
    memory.allowed.insert((source, 24));
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!(told.rule, Rule::RoundRobin);
}

#[test]
fn while_the_agent_is_not_heard_of_new_connections_are_the_kernels_and_others_go_on() {
    let mut memory = memory();
    memory.expired = true;
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.verdict), (Rule::NoLease, Verdict::Passed));
    assert_eq!((told.task, told.to), (None, None));
    flow(&mut memory, 5, "t9", ANSWERED, Be32::new(0));
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.verdict), (Rule::KnownFlow, Verdict::Here));
}
