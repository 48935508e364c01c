//! What is peculiar to the IPVS path: its objects in the kernel, and what befalls them there.
//!
//! A suite of its own, since it needs a kernel with IPVS, and so has the stock mesh under it: the
//! virtual machine's (`cargo xtask test --suite vm`).

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that calls them"
)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use harness::guards::Service;
use harness::node::Node;
use harness::service::{ServiceSpec, Task};
use harness::shared::TestSwarm;
use harness::swarm::Swarm;
use harness::{shell, wait};

const LAB: &str = env!("CARGO_BIN_EXE_lab");
/// Tasks are there within two seconds; a loaded machine may take its time.
const TASKS: Duration = Duration::from_secs(30);
const PORT: u16 = 8300;
/// Of the blow's end until all is as before.
const REPAIR: Duration = Duration::from_secs(2);
/// Somebody else's virtual service.
const FOREIGN: &str = "-A -t 10.77.0.1:9999 -s wlc";

/// What befalls a node, by whoever restarts a firewall or tidies up.
const BLOWS: [&str; 7] = [
    "nft flush ruleset",
    "ipvsadm --clear",
    "ip link delete swlb0",
    "ip link delete swlb-in",
    "ip link set swlb0 down",
    "ip rule delete pref 5000",
    "ip link set eth0 down && sleep 1 && ip link set eth0 up",
];

fn sh(node: &Node, script: &str) -> String {
    let said = shell::output(node.command("sh").unwrap().args(["-c", script])).unwrap();
    assert!(said.status.success(), "{script}: {said:?}");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

/// All that is ours on a node, as the kernel's own tools tell it.
fn ours(node: &Node) -> Vec<String> {
    let told = sh(
        node,
        "ipvsadm -Sn; nft list tables; ip -o link; ip rule; ip route show table all proto 108",
    );
    let mark = |line: &&str| {
        ["swarmlb", "swlb", "proto 108", "5000:", "-f 13", ":8300 "]
            .iter()
            .any(|mark| line.contains(mark))
    };
    told.lines().filter(mark).map(str::to_owned).collect()
}

#[test]
fn what_others_destroy_is_put_right_what_is_theirs_stays_and_nothing_is_left_at_the_end() {
    let test = TestSwarm::up(Path::new(LAB), "lbchaos", 2).unwrap();
    let swarm = &test.swarm;
    swarm.load_agent().unwrap();
    let spec = ServiceSpec::named("kept")
        .replicas(4)
        .publish(&format!("{PORT}:80"));
    let service = swarm.service_create(&spec).unwrap();
    let tasks = service.wait_for_tasks(4, TASKS).unwrap();
    swarm.deploy_agents().unwrap();
    swarm.wait_until_served(&service.id, 4, TASKS).unwrap();
    let node = swarm.manager().unwrap();
    let peer = SocketAddr::new(node.addr.into(), PORT);
    let all = ids(&tasks);
    assert_eq!(answered(swarm, peer), all);
    shows_what_lbctl_shows(node);

    for blow in BLOWS {
        sh(node, blow);
        // Whoever calls before that may reach dockerd's own listener, which never answers.
        std::thread::sleep(REPAIR);
        let answered = answered(swarm, peer);
        assert_eq!(
            answered,
            all,
            "{REPAIR:?} after {blow}\n{}",
            node.agent_log()
        );
    }

    // Killed, an agent takes nothing along; the next one goes on with what it finds.
    let killed = node.agent_pid().unwrap();
    sh(node, &format!("kill -KILL {killed}"));
    assert_eq!(answered(swarm, peer), all, "without an agent");
    wait::until("another agent", TASKS, || {
        let serves = node.lbctl(&["status", "--quiet"])?.status.success();
        let another = node.agent_pid().is_ok_and(|pid| pid != killed);
        Ok((serves && another).then_some(()))
    })
    .unwrap();
    assert_eq!(answered(swarm, peer), all, "with another agent");

    sh(
        node,
        &format!("ipvsadm {FOREIGN} && ipvsadm -a -t 10.77.0.1:9999 -r 10.77.0.100:9 -m"),
    );
    let foreign = |node: &Node| sh(node, "ipvsadm -Sn | grep 9999");
    let theirs = foreign(node);
    engine_restarts(swarm, &service, peer);
    assert_eq!(foreign(node), theirs);
    drop(service);
    wait::until("a refusal", Duration::from_secs(10), || {
        let error = swarm.client.who(peer).err();
        Ok(error.filter(|error| format!("{error:#}").contains("refused")))
    })
    .unwrap();
    wait::until("no server of that port", Duration::from_secs(10), || {
        let left = ours(node);
        Ok((!left.iter().any(|line| line.contains(":8300 "))).then_some(()))
    })
    .unwrap();

    let again = swarm.service_create(&spec).unwrap();
    again.wait_for_tasks(4, TASKS).unwrap();
    swarm.wait_until_served(&again.id, 4, TASKS).unwrap();
    swarm.remove_agents().unwrap();
    for node in &swarm.nodes {
        let mut left = Vec::new();
        let nothing = wait::until("nothing of ours", Duration::from_secs(5), || {
            left = ours(node);
            Ok(left.is_empty().then_some(()))
        });
        assert!(nothing.is_ok(), "{}: {left:#?}", node.name);
    }
    assert_eq!(foreign(node), theirs);
    // The port is the stock mesh's again.
    wait::until("an answer of the stock mesh", TASKS, || {
        Ok(swarm.client.who(peer).ok())
    })
    .unwrap();
}

/// Without its engine a node goes on. Where it starts again it ends its tasks; as soon as there are
/// others and an agent that knows them, all of them answer.
fn engine_restarts(swarm: &Swarm, service: &Service<'_>, peer: SocketAddr) {
    let node = swarm.manager().unwrap();
    let before = ids(&service.wait_for_tasks(4, TASKS).unwrap());
    node.kill_engine().unwrap();
    assert_eq!(answered(swarm, peer), before, "without an engine");
    swarm.restart_engine(node).unwrap();
    let anew = || -> anyhow::Result<Option<BTreeSet<String>>> {
        let tasks = ids(&service.wait_for_tasks(4, TASKS)?);
        let other = tasks.difference(&before).count();
        Ok((other > 0).then_some(tasks))
    };
    let after = wait::until("tasks in place of those that ended", TASKS, anew).unwrap();
    swarm.wait_for_agents().unwrap();
    std::thread::sleep(REPAIR);
    assert_eq!(answered(swarm, peer), after, "with another engine");
}

fn ids(tasks: &[Task]) -> BTreeSet<String> {
    tasks.iter().map(|task| task.id.clone()).collect()
}

/// The tasks that answer four requests, each on a connection of its own.
fn answered(swarm: &Swarm, peer: SocketAddr) -> BTreeSet<String> {
    let answers = swarm.client.sequential(peer, 4).unwrap();
    answers.into_iter().filter_map(|who| who.task).collect()
}

/// As many destinations that take new connections as lbctl says there are tasks.
fn shows_what_lbctl_shows(node: &Node) {
    let shown = sh(node, &format!("ipvsadm -Ln -t {}:{PORT}", node.addr));
    let reals = shown.lines().filter(|line| line.contains("->")).skip(1);
    let reals: Vec<&str> = reals.collect();
    let told = node.served("kept").unwrap();
    assert_eq!(
        Some(reals.len() as u64),
        told.get("ready").and_then(serde_json::Value::as_u64),
        "{shown}\n{told}"
    );
    assert!(reals.iter().all(|line| line.contains(" 1 ")), "{shown}");
}
