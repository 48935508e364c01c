//! Errors at an agent's start: one sentence names the obstacle, and nothing is half done.

use std::path::Path;
use std::process::Output;

use harness::agents::dist;
use harness::node::Node;
use harness::shared::{self, TestSwarm};
use harness::{shell, topology};

use crate::LAB;
use crate::kernel::{attached, pins};

/// The agent's mounts in deploy/stack.yml, as arguments of `docker run`.
const MOUNTS: [&str; 4] = [
    "/run/swarmlb:/run/swarmlb",
    "/var/lib/docker/swarm/certificates:/var/lib/docker/swarm/certificates:ro",
    "/sys/fs/bpf:/host/sys/fs/bpf",
    "/sys/fs/cgroup:/sys/fs/cgroup:ro",
];

#[test]
fn each_obstacle_is_said_in_one_sentence_and_nothing_is_programmed() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbobst", 1).unwrap();
    test.swarm.load_agent().unwrap();
    let node = test.swarm.manager().unwrap();
    let capabilities: &[&str] = match node.is_old_engine().unwrap() {
        true => &["NET_ADMIN", "SYS_ADMIN"],
        false => &["NET_ADMIN", "BPF", "PERFMON"],
    };
    // The agent's way to the engine.
    let filter = ["run", "--rm", "--detach", "--network", "host", "--volume"];
    let filter = [
        &filter[..],
        &["/run:/run:rslave", "swarmlb:latest", "engine-filter"],
    ]
    .concat();
    let filter = node.docker(&filter).unwrap();

    let without = |mount: &str| -> Vec<&str> {
        let kept = MOUNTS.into_iter().filter(|m| !m.starts_with(mount));
        kept.collect()
    };
    let said = refuses(node, &without("/run/swarmlb"), capabilities, &["run"]);
    assert!(
        said.contains("/run/swarmlb/engine.sock") && said.contains("swarmlb engine-filter"),
        "{said}"
    );

    let said = refuses(node, &without("/sys/fs/bpf"), capabilities, &["run"]);
    assert!(
        said.contains("/sys/fs/bpf is not a BPF file system"),
        "{said}"
    );

    let said = refuses(node, &MOUNTS, &["NET_ADMIN"], &["run"]);
    assert!(said.contains("NET_ADMIN, BPF and PERFMON"), "{said}");

    let said = refuses(node, &MOUNTS, capabilities, &["run", "--uplink", "nope0"]);
    assert!(
        said.contains("no device is called nope0") && said.contains("eth0"),
        "{said}"
    );

    let used = node
        .netns
        .run(|| std::net::TcpListener::bind((topology::node_addr(1), 6081)));
    let said = refuses(node, &MOUNTS, capabilities, &["run"]);
    assert!(
        said.contains("cannot listen on") && said.contains("--port"),
        "{said}"
    );
    assert_eq!(said.matches("in use").count(), 1, "said once: {said}");
    drop(used);

    let output = in_container(node, &MOUNTS, capabilities, &["run", "--no-such-flag"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--no-such-flag"), "{said}");
    assert_clean(node);

    node.docker(&["swarm", "leave", "--force"]).unwrap();
    for said in [
        refuses(node, &MOUNTS, capabilities, &["run"]),
        sentence(&on_host(node, &["run"])),
    ] {
        assert!(
            said.contains("member of no Swarm") && said.contains("docker swarm"),
            "{said}"
        );
    }
    assert_clean(node);
    node.docker(&["rm", "--force", filter.trim()]).unwrap();
    // On a host that never had an agent, there is nothing to remove, and that is no error.
    assert!(on_host(node, &["clean"]).status.success());
}

/// Runs an agent that must end at once, and returns its one sentence.
fn refuses(node: &Node, mounts: &[&str], capabilities: &[&str], args: &[&str]) -> String {
    let said = sentence(&in_container(node, mounts, capabilities, args));
    assert_clean(node);
    said
}

/// The last word on standard error; before it there may be lines of log.
fn sentence(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let is_log = |line: &&str| line.contains(" INFO ");
    let words: Vec<_> = text.lines().filter(|line| !is_log(line)).collect();
    let [sentence] = words.as_slice() else {
        panic!("not one sentence: {text}")
    };
    println!("{sentence}");
    assert!(sentence.starts_with("swarmlb: "), "{sentence}");
    (*sentence).to_owned()
}

fn assert_clean(node: &Node) {
    assert_eq!(pins(node), Vec::<String>::new());
    assert_eq!(attached(node), Vec::<String>::new());
    assert!(!node.path("/run/swarmlb/agent.sock").unwrap().exists());
}

fn in_container(node: &Node, mounts: &[&str], capabilities: &[&str], args: &[&str]) -> Output {
    let mut run = vec![
        "run",
        "--rm",
        "--network",
        "host",
        "--env",
        "SWARMLB_DOCKER_SOCKET=/run/swarmlb/engine.sock",
        "--cap-drop",
        "ALL",
        "--read-only",
    ];
    for capability in capabilities {
        run.extend(["--cap-add", capability]);
    }
    for mount in mounts {
        run.extend(["--volume", mount]);
    }
    run.push("swarmlb:latest");
    run.extend(args);
    node.try_docker(&run).unwrap()
}

fn on_host(node: &Node, args: &[&str]) -> Output {
    let swarmlb = dist("swarmlb").unwrap();
    let mut command = node.command(swarmlb.to_str().unwrap()).unwrap();
    shell::output(command.args(args)).unwrap()
}
