//! On JSON as real engines write it, abridged.

use super::*;
use lb_core::model::labels::Policy;

fn tasks(json: &str) -> Snapshot {
    snapshot(Vec::new(), serde_json::from_str(json).unwrap(), Vec::new())
}

fn one_task(json: &str) -> Task {
    let view = tasks(&format!("[{json}]"));
    view.tasks.into_values().next().unwrap()
}

fn one_service(json: &str) -> Service {
    let view = snapshot(
        serde_json::from_str(&format!("[{json}]")).unwrap(),
        Vec::new(),
        Vec::new(),
    );
    view.services.into_values().next().unwrap()
}

fn one_node(json: &str) -> SwarmNode {
    let view = snapshot(
        Vec::new(),
        Vec::new(),
        serde_json::from_str(&format!("[{json}]")).unwrap(),
    );
    view.nodes.into_values().next().unwrap()
}

const TCP_80: PublishedPort = PublishedPort {
    proto: Proto::Tcp,
    published: 8080,
    target: 80,
    mode: PublishMode::Ingress,
};

#[test]
fn a_running_task() {
    let task = one_task(
        r#"{"ID":"t","Version":{"Index":53},"CreatedAt":"2024-01-01T00:00:00Z","Labels":{},"Spec":{"ContainerSpec":{"Image":"x"}},
        "ServiceID":"s","Slot":10,"NodeID":"n","Status":{"Timestamp":"2024-01-01T00:00:00Z","State":"running","Message":"started",
        "ContainerStatus":{"ContainerID":"c0ffee","PID":42,"ExitCode":0},"PortStatus":{}},"DesiredState":"running",
        "NetworksAttachments":[{"Network":{"ID":"i","Spec":{"Name":"ingress","Ingress":true}},"Addresses":["10.0.0.14/24"]}]}"#,
    );
    assert_eq!(task.service, "s".into());
    assert_eq!(task.node, "n".into());
    assert_eq!(task.slot, 10);
    assert_eq!(task.state, TaskState::Running);
    assert_eq!(task.desired, DesiredState::Running);
    assert!(task.host_ports.is_empty());
}

#[test]
fn a_pending_task_has_no_node_yet() {
    let task = one_task(
        r#"{"ID":"t","ServiceID":"s","Slot":1,"Status":{"State":"pending","Err":"no suitable node (1 node not available for new tasks)",
        "PortStatus":{}},"DesiredState":"running","NetworksAttachments":[{"Addresses":["10.0.0.9/24"]}]}"#,
    );
    assert_eq!(task.node, "".into());
    assert_eq!(task.state, TaskState::Pending);
}

#[test]
fn a_global_services_task_has_no_slot() {
    let global = r#"{"ID":"g","ServiceID":"s","NodeID":"n","Status":{"State":"starting","ContainerStatus":{"ContainerID":"","PID":0}},"DesiredState":"running"}"#;
    let task = one_task(global);
    assert_eq!((task.slot, task.state), (0, TaskState::Starting));
}

#[test]
fn history_is_left_out() {
    let ended: Vec<String> = [
        "complete", "shutdown", "failed", "rejected", "remove", "orphaned",
    ]
    .iter()
    .map(|state| {
        format!(r#"{{"ID":"{state}","Status":{{"State":"{state}"}},"DesiredState":"shutdown"}}"#)
    })
    .collect();
    let running = r#"{"ID":"t","Status":{"State":"running"},"DesiredState":"shutdown"}"#;
    let view = tasks(&format!("[{},{running}]", ended.join(",")));
    assert_eq!(
        view.tasks.keys().map(TaskId::as_str).collect::<Vec<_>>(),
        ["t"]
    );
    assert_eq!(view.tasks[&"t".into()].desired, DesiredState::Ended);
}

#[test]
fn a_jobs_task_shall_run_until_it_is_through() {
    // Swarm wants the tasks of a job complete, from the beginning on.
    let task = |state| {
        one_task(&format!(
            r#"{{"ID":"t","ServiceID":"s","Status":{{"State":"{state}"}},"DesiredState":"complete",
            "JobIteration":{{"Index":1}}}}"#
        ))
    };
    for (word, state) in [
        ("preparing", TaskState::Pending),
        ("starting", TaskState::Starting),
        ("running", TaskState::Running),
    ] {
        let task = task(word);
        assert_eq!((task.state, task.desired), (state, DesiredState::Running));
    }
}

#[test]
fn a_new_word_concludes_nothing() {
    let task = one_task(r#"{"ID":"t","Status":{"State":"hovering"},"DesiredState":"levitating"}"#);
    assert_eq!(task.state, TaskState::Unknown);
    assert_eq!(task.desired, DesiredState::Unknown);
}

#[test]
fn host_ports_are_listed_once() {
    let task = one_task(
        r#"{"ID":"t","Status":{"State":"running","PortStatus":{"Ports":[
        {"Protocol":"tcp","TargetPort":80,"PublishedPort":32768,"PublishMode":"host"},
        {"Protocol":"udp","TargetPort":53,"PublishedPort":32769,"PublishMode":"host"},
        {"Protocol":"tcp","TargetPort":80,"PublishedPort":32768,"PublishMode":"host"}]}},"DesiredState":"running"}"#,
    );
    let published: Vec<u16> = task.host_ports.iter().map(|port| port.published).collect();
    assert_eq!(published, [32768, 32769]);
    assert!(
        task.host_ports
            .iter()
            .all(|port| port.mode == PublishMode::Host)
    );
}

#[test]
fn a_services_ports_are_those_that_swarm_assigned() {
    let service = one_service(
        r#"{"ID":"s","Spec":{"Name":"vote","Labels":{"swarmlb.policy":"maglev"},
        "EndpointSpec":{"Mode":"vip","Ports":[{"Protocol":"tcp","TargetPort":80,"PublishMode":"ingress"}]}},
        "Endpoint":{"Spec":{"Mode":"vip","Ports":[{"Protocol":"tcp","TargetPort":80,"PublishMode":"ingress"}]},
        "Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"},
        {"Protocol":"tcp","TargetPort":81,"PublishMode":"host"},
        {"Protocol":"quic","TargetPort":82,"PublishedPort":9,"PublishMode":"ingress"},
        {"Protocol":"tcp","TargetPort":70000,"PublishedPort":9,"PublishMode":"ingress"}],
        "VirtualIPs":[{"NetworkID":"i","Addr":"10.0.0.3/24"}]}}"#,
    );
    assert_eq!(service.name, "vote");
    assert_eq!(service.labels.as_map()["swarmlb.policy"], "maglev");
    assert_eq!(service.options().policy, Policy::Maglev);
    let dynamic = PublishedPort {
        published: 0,
        target: 81,
        mode: PublishMode::Host,
        ..TCP_80
    };
    assert_eq!(service.ports, [TCP_80, dynamic]);
    assert!(!service.removed);
}

#[test]
fn a_service_without_ports() {
    for endpoint in [
        r#","Endpoint":{"Spec":{}}"#,
        r#","Endpoint":{}"#,
        r#","Endpoint":null"#,
        "",
        r#","Endpoint":{"Ports":null}"#,
    ] {
        let service = one_service(&format!(
            r#"{{"ID":"s","Spec":{{"Name":"x","Labels":null}}{endpoint}}}"#
        ));
        assert!(service.ports.is_empty() && service.labels.as_map().is_empty());
    }
}

#[test]
fn a_managers_address_is_what_it_advertises() {
    let node = one_node(
        r#"{"ID":"n","Spec":{"Role":"worker","Availability":"drain"},"Description":{"Hostname":"node1"},
        "Status":{"State":"ready","Addr":"0.0.0.0"},"ManagerStatus":{"Leader":true,"Reachability":"reachable","Addr":"10.77.0.1:2377"}}"#,
    );
    assert_eq!(node.address, Some(Ipv4Addr::new(10, 77, 0, 1)));
    // The role in its spec is only what is wanted.
    assert!(node.manager && node.draining);
    assert_eq!(
        (node.hostname.as_str(), node.state),
        ("node1", NodeState::Ready)
    );
}

#[test]
fn an_address_that_nobody_can_reach_is_none() {
    for (status, manager, expected) in [
        ("10.77.0.2", "", Some(Ipv4Addr::new(10, 77, 0, 2))),
        ("127.0.0.1", "", None),
        ("0.0.0.0", "", None),
        ("", "", None),
        ("fd00::2", "", None),
        (
            "10.77.0.2",
            "0.0.0.0:2377",
            Some(Ipv4Addr::new(10, 77, 0, 2)),
        ),
        ("0.0.0.0", "[fd00::1]:2377", None),
    ] {
        let manager = if manager.is_empty() {
            String::new()
        } else {
            format!(r#","ManagerStatus":{{"Addr":"{manager}"}}"#)
        };
        let node = one_node(&format!(
            r#"{{"ID":"n","Status":{{"State":"down","Addr":"{status}"}}{manager}}}"#
        ));
        assert_eq!(node.address, expected, "{status} {manager}");
    }
}

#[test]
fn node_states() {
    for (word, state) in [
        ("unknown", NodeState::Unknown),
        ("down", NodeState::Down),
        ("ready", NodeState::Ready),
        ("disconnected", NodeState::Disconnected),
        ("sleeping", NodeState::Unknown),
    ] {
        let node = one_node(&format!(r#"{{"ID":"n","Status":{{"State":"{word}"}}}}"#));
        assert_eq!(node.state, state);
        assert!(!node.manager && !node.draining);
    }
}

#[test]
fn an_empty_swarm_is_a_complete_view() {
    assert!(snapshot(Vec::new(), Vec::new(), Vec::new()).complete);
}

#[test]
fn services_are_as_old_as_their_engine_says() {
    // The engine leaves zeros at the end out, so that such times are in no order as words.
    let created =
        |time: &str| one_service(&format!(r#"{{"ID":"s","CreatedAt":"{time}"}}"#)).created;
    let times = [
        "2024-05-06T07:08:09Z",
        "2024-05-06T07:08:09.1Z",
        "2024-05-06T07:08:09.123456789Z",
        "2024-05-06T07:08:09.13Z",
    ];
    assert!(times.map(created).is_sorted());
    assert_eq!(created(times[2]), 1_714_979_289_123_456_789);
    for none in ["", "yesterday", "0001-01-01T00:00:00Z"] {
        assert_eq!(created(none), 0, "{none}");
    }
    assert_eq!(one_service(r#"{"ID":"s"}"#).created, 0);
}

#[test]
fn updates_that_go_on_tell_what_was_before_them_and_when_their_tasks_were_made() {
    let services = |state: &str| {
        format!(
            r#"[{{"ID":"s","Spec":{{"Name":"web"}},"Endpoint":{{"Ports":[{{"Protocol":"tcp","TargetPort":81,"PublishedPort":8080,"PublishMode":"ingress"}}]}},
            "PreviousSpec":{{"Name":"web","EndpointSpec":{{"Mode":"vip",
            "Ports":[{{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"}}]}}}},
            "UpdateStatus":{{"State":"{state}","StartedAt":"1970-01-01T00:00:02Z","Message":"m"}}}},
            {{"ID":"u","Spec":{{"Name":"never updated"}},"PreviousSpec":null}}]"#
        )
    };
    let tasks = r#"[{"ID":"old","ServiceID":"s","CreatedAt":"1970-01-01T00:00:01Z"},{"ID":"new","ServiceID":"s"},
        {"ID":"other","ServiceID":"u","CreatedAt":"1970-01-01T00:00:01Z"}]"#;
    let told = |state: &str| {
        let services: Vec<model::Service> = serde_json::from_str(&services(state)).unwrap();
        let tasks: Vec<model::Task> = serde_json::from_str(tasks).unwrap();
        updates(&services, &tasks)
    };
    for (state, complete) in [
        ("updating", false),
        ("paused", false),
        ("rollback_started", false),
        ("completed", true),
        ("rollback_completed", true),
    ] {
        let told = told(state);
        let update = Update {
            complete,
            began: 2_000_000_000,
            before: vec![TCP_80],
        };
        assert_eq!(told.services, [("s".into(), update)].into(), "{state}");
        let made = (!complete).then_some(("old".into(), 1_000_000_000));
        assert_eq!(told.created, made.into_iter().collect(), "{state}");
    }
    assert_eq!(told(""), Updates::default(), "no task had to be replaced");
}
