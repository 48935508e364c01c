use super::*;

fn containers() -> Vec<model::Container> {
    serde_json::from_str(
        r#"[{"Id":"c1","Labels":{"com.docker.swarm.task":"","com.docker.swarm.task.id":"t1"},"Status":"Up 3 seconds (healthy)"},
            {"Id":"c2","Labels":{"com.docker.swarm.task.id":"t2"},"Status":"Up 3 seconds (unhealthy)"},
            {"Id":"c3","Labels":{"com.docker.swarm.task.id":"t3"},"Status":"Up 1 second (health: starting)"},
            {"Id":"c4","Labels":null,"Status":"Up 1 second"}]"#,
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
fn who_started_is_up_once_it_is_ready_and_the_kernel_brings_connections_to_it() {
    let mut own = Own::default();
    let held = |tasks: &[&str]| tasks.iter().copied().map(TaskId::from).collect();
    let up = |own: &mut Own, tasks: &[&str]| -> Vec<String> {
        let updates = own.up(&held(tasks)).into_iter();
        let named = updates.filter_map(|update| match update {
            LocalUpdate::Event(event) if event.kind == EventKind::Up => Some(event.task.0),
            _ => None,
        });
        named.collect()
    };
    let heard = |own: &mut Own, task: &str, kind| {
        let task = task.into();
        own.heard(&LocalEvent { task, kind })
    };
    let first = running(&containers(), &gateway(), &default());
    let all = ["t1", "t2", "t3"];
    own.saw(first.clone());
    assert!(up(&mut own, &all).is_empty(), "nobody started just now");

    for task in all {
        assert!(heard(&mut own, task, EventKind::Start), "a reason to look");
    }
    own.saw(first.clone());
    assert!(up(&mut own, &[]).is_empty(), "the kernel has none of them");
    let (unhealthy_or_waits, ready) = (["t2", "t3"], "t1");
    assert!(up(&mut own, &unhealthy_or_waits).is_empty());
    assert_eq!(up(&mut own, &all), [ready]);
    assert!(up(&mut own, &all).is_empty(), "once");

    let mut later = containers();
    later[2].status = "Up 4 seconds (healthy)".into();
    assert!(heard(&mut own, "t3", EventKind::Healthy));
    own.saw(running(&later, &gateway(), &default()));
    assert_eq!(up(&mut own, &all), ["t3"]);

    assert!(heard(&mut own, "t2", EventKind::Die));
    later[1].status = "Up 5 seconds (healthy)".into();
    own.saw(running(&later, &gateway(), &default()));
    assert!(up(&mut own, &all).is_empty(), "it ended meanwhile");
}

#[test]
fn a_look_tells_what_is_new_only() {
    let mut own = Own::default();
    let look = || running(&containers(), &gateway(), &default());
    assert_eq!(own.saw(BTreeMap::new()), [LocalUpdate::Tasks([].into())]);
    assert!(
        own.saw(look())
            .iter()
            .any(|update| matches!(update, LocalUpdate::Tasks(tasks) if tasks.len() == 2))
    );
    assert_eq!(own.saw(look()), []);
}

#[test]
fn what_the_stream_missed_is_made_up_for() {
    let before = running(&containers(), &gateway(), &default());
    let mut later = containers();
    later.remove(0);
    later[0].status = "Up 9 seconds (healthy)".into();
    let after = running(&later, &gateway(), &default());
    let events: Vec<_> = missed(&before, &after)
        .map(|e| (e.task.0, e.kind))
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
fn calm_comes_back() {
    assert_eq!(pause(true, Duration::ZERO), AGAIN);
    assert_eq!(pause(false, AGAIN), BRISK);
    assert_eq!(pause(false, BRISK_FOR), CALM);
}
