use super::*;

fn containers() -> Vec<model::Container> {
    serde_json::from_str(
        r#"[{"Id":"c1","Names":["/vote.1.t1"],"Labels":{"com.docker.swarm.task":"","com.docker.swarm.task.id":"t1"},"Status":"Up 3 seconds (healthy)"},
            {"Id":"c2","Names":["/vote.2.t2"],"Labels":{"com.docker.swarm.task.id":"t2"},"Status":"Up 3 seconds (unhealthy)"},
            {"Id":"c3","Names":["/vote.3.t3"],"Labels":{"com.docker.swarm.task.id":"t3"},"Status":"Up 1 second (health: starting)"},
            {"Id":"c4","Names":null,"Labels":null,"Status":"Up 1 second"}]"#,
    )
    .unwrap()
}

fn default() -> model::Network {
    serde_json::from_str(
        r#"{"Name":"bridge","Containers":{"c1":{"IPv4Address":"172.17.0.9/16"},
            "c3":{"Name":"task3","IPv4Address":"172.17.0.2/16","IPv6Address":""}}}"#,
    )
    .unwrap()
}

fn gateway() -> model::Network {
    serde_json::from_str(
        r#"{"Name":"docker_gwbridge","Containers":{"ingress-sbox":{"IPv4Address":"172.18.0.2/16"},
            "c1":{"Name":"gateway_abc","IPv4Address":"172.18.0.3/16","IPv6Address":""},"c2":{"IPv4Address":""}}}"#,
    )
    .unwrap()
}

#[test]
fn addresses_come_from_the_bridges_and_health_from_the_list() {
    let running = running(&containers(), &gateway(), &default());
    assert_eq!(running.len(), 3);
    let at = |address: [u8; 4], bridge| {
        let address = address.into();
        Some(TaskAddress { address, bridge })
    };
    assert_eq!(
        running[&"t1".into()].address,
        at([172, 18, 0, 3], Bridge::Gateway)
    );
    assert_eq!(running[&"t1".into()].health, Some(EventKind::Healthy));
    assert_eq!(running[&"t2".into()].address, None);
    assert_eq!(running[&"t2".into()].health, Some(EventKind::Unhealthy));
    assert_eq!(
        running[&"t3".into()],
        Running {
            address: at([172, 17, 0, 2], Bridge::Default),
            health: None,
            waits: true
        }
    );
}

#[test]
fn a_container_of_an_image_with_a_tasks_label_neither_has_its_place_nor_ends_it() {
    let own = running(&containers(), &gateway(), &default());
    let mut with = containers();
    // Wherever in the list it stands.
    for (at, id) in [(0, "t2"), (with.len(), "t2"), (0, "t9")] {
        let mut other = with[0].clone();
        other.id = "c1".into();
        other.names = vec!["/bold_curie".into()];
        other.labels = [("com.docker.swarm.task.id".to_owned(), id.to_owned())].into();
        with.insert(at, other);
    }
    let beside = running(&with, &gateway(), &default());
    assert_eq!(beside, own);
    assert_eq!(missed(&beside, &own).count(), 0);
}

#[test]
fn who_started_is_up_once_it_is_ready_and_the_kernel_brings_connections_to_it() {
    let mut own = Own::default();
    let held = |tasks: &[&str]| tasks.iter().copied().map(TaskId::from).collect();
    let up = |own: &mut Own, tasks: &[&str]| -> Vec<String> {
        let updates = own.newly_ready(&held(tasks)).into_iter();
        let named = updates.filter_map(|update| match update {
            LocalUpdate::Event(event) if event.kind == EventKind::Ready => {
                Some(event.task.to_string())
            }
            _ => None,
        });
        named.collect()
    };
    let heard = |own: &mut Own, task: &str, kind| {
        let task = task.into();
        own.note_event(&LocalEvent { task, kind })
    };
    let first = running(&containers(), &gateway(), &default());
    let all = ["t1", "t2", "t3"];
    own.note_reading(first.clone());
    assert!(up(&mut own, &all).is_empty(), "nobody started just now");

    for task in all {
        assert!(heard(&mut own, task, EventKind::Start), "a reason to look");
    }
    own.note_reading(first.clone());
    assert!(up(&mut own, &[]).is_empty(), "the kernel has none of them");
    let (unhealthy_or_waits, ready) = (["t2", "t3"], "t1");
    assert!(up(&mut own, &unhealthy_or_waits).is_empty());
    assert_eq!(up(&mut own, &all), [ready]);
    assert!(up(&mut own, &all).is_empty(), "once");

    let mut later = containers();
    later[2].status = "Up 4 seconds (healthy)".into();
    assert!(heard(&mut own, "t3", EventKind::Healthy));
    own.note_reading(running(&later, &gateway(), &default()));
    assert_eq!(up(&mut own, &all), ["t3"]);

    assert!(heard(&mut own, "t2", EventKind::Die));
    later[1].status = "Up 5 seconds (healthy)".into();
    own.note_reading(running(&later, &gateway(), &default()));
    assert!(up(&mut own, &all).is_empty(), "it ended meanwhile");
}

#[test]
fn a_look_tells_what_is_new_only() {
    let mut own = Own::default();
    let look = || running(&containers(), &gateway(), &default());
    assert_eq!(
        own.note_reading(BTreeMap::new()),
        [LocalUpdate::Tasks([].into())]
    );
    assert!(
        own.note_reading(look())
            .iter()
            .any(|update| matches!(update, LocalUpdate::Tasks(tasks) if tasks.len() == 2))
    );
    assert_eq!(own.note_reading(look()), []);
}

#[test]
fn what_the_stream_missed_is_made_up_for() {
    let before = running(&containers(), &gateway(), &default());
    let mut later = containers();
    later.remove(0);
    later[0].status = "Up 9 seconds (healthy)".into();
    let after = running(&later, &gateway(), &default());
    let events: Vec<_> = missed(&before, &after)
        .map(|e| (e.task.to_string(), e.kind))
        .collect();
    assert_eq!(
        events,
        [
            ("t1".to_owned(), EventKind::Die),
            ("t2".to_owned(), EventKind::Healthy)
        ]
    );
    assert_eq!(missed(&after, &after).count(), 0);
}

#[test]
fn the_idle_interval_comes_back() {
    assert_eq!(pause(true, Duration::ZERO), SETTLE_INTERVAL);
    assert_eq!(pause(false, SETTLE_INTERVAL), FAST_INTERVAL);
    assert_eq!(pause(false, FAST_FOR), IDLE_INTERVAL);
}
