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
fn who_started_is_up_once_two_looks_found_it_where_it_is_reached() {
    let first = running(&containers(), &gateway(), &default());
    let mut later = containers();
    later[2].status = "Up 4 seconds (healthy)".into();
    let second = running(&later, &gateway(), &default());
    let all = || ["t1", "t2", "t3", "t4"].map(TaskId::from).into();
    let up = |started: &mut BTreeSet<TaskId>, before, after| {
        up(started, before, after)
            .into_iter()
            .map(|event| event.task.0)
            .collect::<Vec<_>>()
    };
    let mut started: BTreeSet<TaskId> = all();
    let none = BTreeMap::new();
    assert!(up(&mut started, &none, &first).is_empty());
    assert_eq!(
        up(&mut started, &first, &first),
        ["t1"],
        "not t2: unhealthy; not t3: waits"
    );
    assert!(up(&mut started, &first, &second).is_empty(), "t3: only now");
    assert_eq!(up(&mut started, &second, &second), ["t3"]);
    assert!(up(&mut started, &second, &second).is_empty(), "once");
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
