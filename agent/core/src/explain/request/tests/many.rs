//! An explanation of what has many tasks or many routes.

use super::*;

/// A service with so many tasks.
fn with_tasks(count: u64) -> RequestExplanation {
    let mut view = SnapshotBuilder::new()
        .service("b", with("site", 2, &SITE))
        .node("n1", member("alpha", Some(Ipv4Addr::new(10, 0, 0, 1))))
        .node("n2", member("beta", Some(Ipv4Addr::new(10, 0, 0, 2))));
    for slot in 1..=count {
        let task = Task {
            slot,
            ..task("b", "n2")
        };
        view = view.task(&format!("t{slot:03}"), task);
    }
    explain(&view.build(), &query("http://shop.example/"))
}

#[test]
fn twenty_four_tasks_are_told_in_sentences_and_of_more_the_number() {
    for (count, more) in [
        (24, None),
        (25, Some("1 more tasks (see: --json).")),
        (26, Some("2 more tasks (see: --json).")),
    ] {
        let told = with_tasks(count);
        assert_eq!(told.tasks.len(), usize::try_from(count).unwrap());
        let tasks = |it: &&String| it.starts_with("site.") && it.ends_with(": ready.");
        assert_eq!(told.sentences.iter().filter(tasks).count(), 24);
        let last = told.sentences.iter().find(|it| it.contains(" more tasks"));
        assert_eq!(last.map(String::as_str), more);
    }
}

#[test]
fn of_equal_priority_the_reason_is_another_than_of_a_lower_one() {
    let labelled = |name: &str, priority: &str| {
        [
            (
                format!("traefik.http.routers.{name}.rule"),
                format!("Host(`shop.example`) || Host(`{name}.example`)"),
            ),
            (
                format!("traefik.http.routers.{name}.priority"),
                priority.to_owned(),
            ),
            (
                format!("traefik.http.services.{name}.loadbalancer.server.port"),
                "80".to_owned(),
            ),
        ]
    };
    let service = |name: &str, created, priority: &str| Service {
        created,
        labels: labelled(name, priority).into_iter().collect(),
        ..service(name, vec![])
    };
    let snapshot = SnapshotBuilder::new()
        .service("a", with("site", 1, &SITE))
        .service("b", service("equal", 2, "20"))
        .service("c", service("lower", 3, "19"))
        .tasks("a", [("t1", "n1")])
        .build();
    let told = explain(&snapshot, &query("http://shop.example/"));
    assert_eq!(told.route.as_ref().unwrap().service_name, "site");
    let said = |name: &str| {
        let of = format!("of service {name} ");
        let mut sentences = told.sentences.iter();
        let not = |it: &&String| it.starts_with("Not route") && it.contains(&of);
        sentences.find(not).unwrap().clone()
    };
    assert!(said("equal").contains(": of equal priority, hosts come before expressions"));
    assert!(said("lower").ends_with(": its priority is lower."));
}
