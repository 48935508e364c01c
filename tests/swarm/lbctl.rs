//! `lbctl` on any node, on the host and in the agent's container.

use agent::kernel::machine;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::wait;
use lb_core::report::{Check, Nodes, Services, Status};
use lb_core::table_sizes::{LruTable, TableSizes};
use serde::de::DeserializeOwned;

use crate::tools::served;
use crate::{TASKS, kernel, shared_swarm};

#[test]
fn lbctl_tells_people_and_scripts_alike_on_any_node() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("told").replicas(3).publish("8203:80");
    let (service, _) = served(&swarm, &spec, 3);
    for node in &swarm.nodes {
        swarm.client.sequential((node.addr, 8203), 3).unwrap();
        let status: Status = json(node, &["status"]);
        assert_eq!(status.hostname, node.name);
        assert_eq!(status.address, Some(node.addr));
        assert!(status.connected && status.in_sync, "{status:?}");
        let hooks: Vec<_> = status
            .hooks
            .iter()
            .map(|hook| format!("{} {}", hook.link, hook.hook))
            .collect();
        let expected = [
            "eth0 xdp",
            "eth0 tc-ingress",
            "docker0 tc-ingress",
            "docker_gwbridge tc-ingress",
            "eth0 tc-egress",
            "root cgroup sockets",
        ];
        assert_eq!(hooks, expected);
        let nodes: Nodes = json(node, &["nodes"]);
        let names: Vec<_> = nodes.nodes.iter().map(|n| n.hostname.as_str()).collect();
        assert_eq!(names, ["node1", "node2", "node3"]);
        let services: Services = json(node, &["services"]);
        let told = services.services.iter().find(|s| s.name == "told").unwrap();
        assert_eq!((told.id.as_str(), told.ready), (service.id.as_str(), 3));

        assert!(table(node, &["status"]).contains("eth0 xdp (native)"));
        assert!(table(node, &["services"]).contains("told"));
        assert!(table(node, &["nodes"]).contains(&format!("{} *", node.name)));
        let stats = table(node, &["stats", "--service", "told"]);
        for word in [
            "NEW",
            "BYTES OUT",
            "8203/tcp",
            "3 running",
            "told.1",
            "node3",
        ] {
            assert!(stats.contains(word), "no {word} in\n{stats}");
        }
    }
}

#[test]
fn lbctls_exit_codes_say_whether_all_is_well() {
    let Some(swarm) = shared_swarm() else { return };
    let manager = swarm.manager().unwrap();
    let code = |node: &Node, args: &[&str]| node.lbctl(args).unwrap().status.code();
    for node in &swarm.nodes {
        assert_eq!(code(node, &["status"]), Some(0));
        assert_eq!(
            code(node, &["check"]),
            Some(0),
            "{}",
            table(node, &["check"])
        );
        assert_eq!(code(node, &["stats", "--service", "no-such"]), Some(1));
        assert_eq!(code(node, &["stats", "--no-such-flag"]), Some(2));
        assert_eq!(
            code(node, &["--socket", "/nowhere.sock", "status"]),
            Some(3)
        );
    }
    // What cannot be served is said by name, on every node, and does not hinder the rest.
    let spec = ServiceSpec::named("old-telephone")
        .publish("published=8204,target=80,protocol=sctp")
        .publish("8205:80");
    let (telephone, _) = served(&swarm, &spec, 1);
    for node in &swarm.nodes {
        wait::until("the problem", TASKS, || {
            Ok((code(node, &["check"]) == Some(1)).then_some(()))
        })
        .unwrap();
        let check: Check = json(node, &["check"]);
        let problem = check.problems.first().unwrap();
        assert!(problem.object.contains("old-telephone"), "{problem:?}");
        assert!(problem.message.contains("8204/sctp"), "{problem:?}");
        swarm.client.who((node.addr, 8205)).unwrap();
    }
    drop(telephone);
    wait::until("no problem", TASKS, || {
        Ok((code(manager, &["check"]) == Some(0)).then_some(()))
    })
    .unwrap();
}

#[test]
fn lbctl_tells_the_sizes_of_the_tables_which_follow_the_machines_memory_and_what_they_take() {
    let Some(swarm) = shared_swarm() else { return };
    let expected = TableSizes::for_memory(machine::memory());
    for node in &swarm.nodes {
        let status = wait::until("a count of the tables", TASKS, || {
            let status: Status = json(node, &["status"]);
            Ok(status.map_memory.is_some().then_some(status))
        });
        let status = status.unwrap();
        let memory = status.map_memory.unwrap();
        assert!(memory <= 120_000_000, "{} has {memory} bytes", node.name);
        assert!(memory >= expected.memory() / 10 * 9, "{memory} bytes");
        for table in &LruTable::ALL {
            let told = status.tables.iter();
            let told = told.filter(|told| told.maps.iter().any(|name| name == table.name));
            let places: Vec<u64> = told.map(|told| told.places).collect();
            assert_eq!(
                places,
                [u64::from(expected.entries(table))],
                "{}",
                table.name
            );
            assert_eq!(kernel::room(node, table.name), places[0], "{}", table.name);
        }
        assert!(
            status
                .tables
                .iter()
                .all(|table| table.taken <= table.places)
        );
        let shown = table(node, &["status"]);
        for words in ["TCP connections (full: ", " of the kernel's for maps"] {
            assert!(shown.contains(words), "no {words} in\n{shown}");
        }
    }
}

/// The JSON that `lbctl --json` prints on the host.
pub(crate) fn json<T: DeserializeOwned>(node: &Node, args: &[&str]) -> T {
    serde_json::from_value(node.report(args).unwrap()).unwrap()
}

/// The table that `lbctl` prints in the agent's container.
fn table(node: &Node, args: &[&str]) -> String {
    let output = node.lbctl_inside(args).unwrap();
    String::from_utf8(output.stdout).unwrap()
}
