//! What of events is kept, and for how long.

use super::*;

fn die(overlay: &mut Overlay, node: &str, number: usize, now: Duration) -> bool {
    let died = event(&format!("t{number}"), EventKind::Die);
    overlay.note(&view(&[]), &node.into(), &died, now)
}

#[test]
fn that_something_is_forgotten_is_told_once() {
    let mut overlay = Overlay::default();
    let listed = view(&["t"]);
    note(&mut overlay, "t", EventKind::Kill, Duration::ZERO);
    let [before, after] = [29, 30].map(Duration::from_secs);
    assert!(!overlay.expire(&listed, before), "it counts yet");
    assert!(overlay.expire(&listed, after));
    assert!(!overlay.expire(&listed, after), "nothing is left");
    // Of two nodes one is forgotten, and the other's word stays.
    note(&mut overlay, "t", EventKind::Die, after);
    die(&mut overlay, "other", 1, Duration::ZERO);
    assert!(overlay.expire(&listed, after));
    assert_eq!(overlay.task_health().count(), 1);
    assert!(!overlay.expire(&listed, after));
    // And of two nodes both.
    for node in ["a", "b"] {
        die(&mut overlay, node, 1, Duration::ZERO);
    }
    assert!(overlay.expire(&listed, after));
}

#[test]
fn a_node_speaks_of_all_its_own_tasks_and_again_of_those_that_it_has_named_early() {
    let own: Vec<String> = (0..300).map(|number| format!("own{number}")).collect();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let listed = view(&own);
    let mut overlay = Overlay::default();
    for number in 0..EARLY {
        assert!(die(&mut overlay, "n", number, Duration::ZERO));
    }
    assert!(!die(&mut overlay, "n", EARLY, Duration::ZERO));
    for task in &own {
        let unhealthy = event(task, EventKind::Unhealthy);
        assert!(overlay.note(&listed, &"n".into(), &unhealthy, Duration::ZERO));
    }
    // A second word about a task takes no further place.
    let mut overlay = Overlay::default();
    for number in 0..EARLY {
        let kill = event(&format!("t{number}"), EventKind::Kill);
        assert!(overlay.note(&view(&[]), &"n".into(), &kill, Duration::ZERO));
    }
    assert!(die(&mut overlay, "n", 0, Duration::ZERO));
    assert!(!die(&mut overlay, "n", EARLY, Duration::ZERO));
}

#[test]
fn places_of_tasks_that_are_not_listed_are_free_again_when_those_are_forgotten_and_not_before() {
    let mut overlay = Overlay::default();
    for number in 0..EARLY {
        die(&mut overlay, "n", number, Duration::ZERO);
    }
    let before = KILL_COUNTS_FOR - Duration::from_nanos(1);
    assert!(!overlay.expire(&view(&[]), before));
    assert!(!die(&mut overlay, "n", EARLY, before));
    // Those that the Swarm lists by now are the node's own.
    let named = view(&["t0", "t1"]);
    overlay.expire(&named, before);
    assert!(die(&mut overlay, "n", EARLY, before));
    assert!(die(&mut overlay, "n", EARLY + 1, before));
    assert!(!die(&mut overlay, "n", EARLY + 2, before));
}

#[test]
fn a_node_that_learns_its_id_keeps_what_it_has_said() {
    let mut overlay = Overlay::default();
    let died = event("t", EventKind::Die);
    overlay.note(&view(&[]), &NodeId::default(), &died, Duration::ZERO);
    overlay.rename(&NodeId::default(), &"n".into());
    let mut listed = view(&["t"]);
    overlay.apply(&mut listed, Duration::ZERO);
    assert_eq!(listed.tasks[&"t".into()].health, LocalHealth::Dead);
}

#[test]
fn a_task_is_up_if_its_own_node_says_that_it_is_ready() {
    let listed = view(&["t"]);
    let task = &listed.tasks[&"t".into()];
    for (kind, up) in [
        (EventKind::Ready, true),
        (EventKind::Start, false),
        (EventKind::Kill, false),
    ] {
        let mut overlay = Overlay::default();
        note(&mut overlay, "t", kind, Duration::ZERO);
        assert_eq!(overlay.is_up(&"t".into(), task), up, "{kind:?}");
    }
    let mut overlay = Overlay::default();
    let ready = event("t", EventKind::Ready);
    overlay.note(&view(&[]), &"evil".into(), &ready, Duration::ZERO);
    assert!(!overlay.is_up(&"t".into(), task), "of somebody else's");
    assert!(!Overlay::default().is_up(&"t".into(), task));
}

#[test]
fn what_a_node_says_of_a_task_of_another_node_is_not_taken_and_what_it_said_before_is_forgotten() {
    let listed = view(&["t"]);
    let evil = NodeId::from("evil");
    let mut overlay = Overlay::default();
    for kind in [EventKind::Ready, EventKind::Kill, EventKind::Die] {
        let said = event("t", kind);
        assert!(
            !overlay.note(&listed, &evil, &said, Duration::ZERO),
            "{kind:?}"
        );
    }
    let dead = LocalHealth::Dead;
    assert!(!overlay.adopt(&listed, &evil, &"t".into(), dead, Duration::ZERO));
    assert_eq!(overlay.task_health().count(), 0);
    // Before the Swarm lists the task, nobody knows whose it is.
    let died = event("t", EventKind::Die);
    assert!(overlay.note(&view(&[]), &evil, &died, Duration::ZERO));
    assert!(overlay.expire(&listed, Duration::ZERO));
    assert_eq!(overlay.task_health().count(), 0);
}
