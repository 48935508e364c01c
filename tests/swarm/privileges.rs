//! Privileges of the agent on a node, read from the kernel and from the engine, on
//! the Swarm on which it serves.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::agents::{FILTER, SERVICE, by_mesh};
use harness::node::Node;
use harness::swarm::Swarm;

use crate::shared_swarm;

/// Capabilities by their numbers (include/uapi/linux/capability.h).
pub(crate) const NET_BIND_SERVICE: u64 = 1 << 10;
const NET_ADMIN: u64 = 1 << 12;
const SYS_ADMIN: u64 = 1 << 21;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;
/// Their names.
const NAMES: [(u64, &str); 5] = [
    (NET_BIND_SERVICE, "NET_BIND_SERVICE"),
    (NET_ADMIN, "NET_ADMIN"),
    (SYS_ADMIN, "SYS_ADMIN"),
    (PERFMON, "PERFMON"),
    (BPF, "BPF"),
];
const SECURITY: &str = include_str!("../../SECURITY.md");

/// A line of a process' status.
fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(field));
    value.unwrap().trim_start_matches(':').trim().to_owned()
}

fn capabilities(pid: u32, field: &str) -> u64 {
    u64::from_str_radix(&status(pid, field), 16).unwrap()
}

/// The first cells of SECURITY.md's table of what the agent may do.
fn documented_rights() -> Vec<&'static str> {
    let (_, section) = SECURITY.split_once("\n## What the agent may do\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.split(" |").next()).collect()
}

/// The agent of a node has the capabilities that `stack.yml` gives it and `further` ones, and SECURITY.md names all of them.
pub(crate) fn assert_agents_capabilities(node: &Node, further: u64) {
    let bpf = match node.is_old_engine().unwrap() {
        true => SYS_ADMIN,
        false => BPF | PERFMON,
    };
    let may = NET_ADMIN | bpf | further;
    assert_capabilities(node, SERVICE, may);
    let documented = documented_rights();
    for (_, name) in NAMES.iter().filter(|(bit, _)| may & bit != 0) {
        assert!(
            documented.iter().any(|right| right.contains(name)),
            "{name}: {documented:?}"
        );
    }
}

fn assert_capabilities(node: &Node, service: &str, may: u64) {
    let pid = node.pid_of(service).unwrap();
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        let has = capabilities(pid, set);
        assert_eq!(has, may, "{service} {set}: {has:x}");
    }
}

/// A path as a process sees it.
fn seen_by(pid: u32, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root{path}"))
}

/// First line of the filter's answer.
fn ask(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: docker\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // The stream of events has no end.
    let mut chunk = [0; 4096];
    let read = stream.read(&mut chunk).unwrap();
    answer.extend(&chunk[..read]);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.lines().next().unwrap_or_default().to_owned()
}

fn each_node(swarm: &Swarm, test: impl Fn(&Node)) {
    // The mesh has no agents.
    if !by_mesh() {
        swarm.nodes.iter().for_each(test);
    }
}

#[test]
fn an_agent_has_few_capabilities_and_what_asks_the_engine_has_none() {
    let Some(swarm) = shared_swarm() else { return };
    each_node(&swarm, |node| {
        assert_agents_capabilities(node, 0);
        assert_capabilities(node, FILTER, 0);
        for service in [SERVICE, FILTER] {
            let pid = node.pid_of(service).unwrap();
            assert_eq!(status(pid, "NoNewPrivs"), "1", "{service}");
            let container = node.container_of(service).unwrap();
            let format = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}";
            let limits = node.docker(&["inspect", "--format", format, &container]);
            let limits = limits.unwrap();
            let limits: Vec<u64> = limits
                .split_whitespace()
                .map(|limit| limit.parse().unwrap())
                .collect();
            assert!(
                limits.iter().all(|limit| *limit > 0),
                "{service} {limits:?}"
            );
        }
    });
}

/// By the profile that Docker gives every container, whatever its capabilities: it denies writes below `/sys`, and
/// nobody can choose another one for a service.
#[test]
fn where_the_kernel_has_apparmor_the_agents_serve_under_dockers_profile() {
    let Some(swarm) = shared_swarm() else { return };
    let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    if enabled.is_ok_and(|enabled| enabled.trim() == "Y") {
        each_node(&swarm, |node| {
            for service in [SERVICE, FILTER] {
                let pid = node.pid_of(service).unwrap();
                let profile = fs::read_to_string(format!("/proc/{pid}/attr/current")).unwrap();
                assert_eq!(profile.trim(), "docker-default (enforce)", "{service}");
            }
        });
    }
}

#[test]
fn an_agent_sees_neither_the_engines_socket_nor_the_swarms_secrets() {
    let Some(swarm) = shared_swarm() else { return };
    each_node(&swarm, |node| {
        let pid = node.agent_pid().unwrap();
        let names = |path: &str| -> Vec<String> {
            let entries = fs::read_dir(seen_by(pid, path)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        };
        assert_eq!(names("/run"), ["swarmlb"]);
        assert_eq!(names("/run/swarmlb"), ["agent.sock", "engine.sock"]);
        assert_eq!(names("/var/lib/docker/swarm"), ["certificates"]);
        assert!(names("/var/lib/docker/swarm/certificates").contains(&"swarm-node.key".to_owned()));
    });
}

#[test]
fn through_the_filter_an_engine_is_asked_and_not_told() {
    let Some(swarm) = shared_swarm() else { return };
    each_node(&swarm, |node| {
        let socket = node.path("/run/swarmlb/engine.sock").unwrap();
        for (request, status) in [
            ("GET /info", "200"),
            ("GET /networks/docker_gwbridge", "200"),
            ("GET /events?since=1.000000000", "200"),
            ("POST /services/create", "403"),
            ("POST /containers/create", "403"),
            ("DELETE /services/lb_agent", "403"),
            ("GET /secrets", "403"),
            ("GET /swarm", "403"),
            ("GET /swarm/unlockkey", "403"),
            ("GET /containers/json", "403"),
            ("HEAD /info", "403"),
        ] {
            let answer = ask(&socket, request);
            assert_eq!(
                answer.split(' ').nth(1),
                Some(status),
                "{request}: {answer}"
            );
        }
    });
}

#[test]
fn an_agent_goes_on_when_what_asks_the_engine_is_replaced() {
    let Some(swarm) = shared_swarm() else { return };
    if by_mesh() {
        return;
    }
    let before: Vec<u32> = swarm
        .nodes
        .iter()
        .map(|node| node.pid_of(FILTER).unwrap())
        .collect();
    let agents: Vec<String> = swarm
        .nodes
        .iter()
        .map(|node| node.agent().unwrap())
        .collect();
    let update = [
        "service",
        "update",
        "--force",
        "--quiet",
        "--no-resolve-image",
        FILTER,
    ];
    swarm.manager().unwrap().docker(&update).unwrap();
    for ((node, before), agent) in swarm.nodes.iter().zip(before).zip(agents) {
        assert_ne!(node.pid_of(FILTER).unwrap(), before, "{}", node.name);
        assert_eq!(node.agent().unwrap(), agent, "{}", node.name);
    }
    // What happens from now on is heard of.
    let spec = harness::service::ServiceSpec::named("heard")
        .replicas(3)
        .publish("8350:80");
    crate::tools::served(&swarm, &spec, 3);
}
