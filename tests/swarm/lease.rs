//! Without an agent the datapath takes new connections for as long as its lease says.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::client::PATIENCE;
use harness::service::ServiceSpec;
use harness::shared::{self, TestSwarm};
use harness::topology::CLIENT;
use harness::traffic::http::{self, Connection};
use harness::who::Who;
use harness::{slow, wait};
use lb_core::report::{Explanation, Rule};

use crate::lbctl::json;
use crate::tools::{HostAgent, everywhere, ids, tally, task};
use crate::{LAB, TASKS};

/// The shortest that there is.
const LEASE: [&str; 2] = ["--lease", "5"];

#[test]
fn when_the_lease_is_over_new_connections_are_the_kernels_and_open_ones_go_on() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lblease", 2).unwrap();
    let swarm = &test.swarm;
    let start = || -> Vec<_> {
        let nodes = swarm.nodes.iter();
        nodes.map(|node| HostAgent::start(node, &LEASE)).collect()
    };
    let agents = start();
    let spec = ServiceSpec::named("leased").replicas(2).publish("8230:80");
    let service = swarm.service_create(&spec).unwrap();
    let tasks = service.wait_for_tasks(2, TASKS).unwrap();
    swarm.wait_until_served(&service.id, 2, TASKS).unwrap();
    let peers = everywhere(swarm, 8230);
    let through = peers.clone();
    let talk = async move {
        // Two through each node, one of them to the task on the other one.
        let mut open = Vec::new();
        for peer in through.iter().chain(&through) {
            let mut connection = Connection::open(*peer, PATIENCE).await?;
            open.push((task(&connection.who().await?), connection));
        }
        drop(agents);
        let killed = Instant::now();
        for peer in &through {
            http::who(*peer, PATIENCE).await?;
        }
        while !is_kernels(&http::who(through[0], PATIENCE).await) {
            assert!(
                killed.elapsed() < slow::longer(TASKS),
                "the lease never ends"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let after = killed.elapsed();
        tokio::time::sleep(Duration::from_secs(1)).await;
        for peer in &through {
            let answer = http::who(*peer, PATIENCE).await;
            assert!(is_kernels(&answer), "{peer}: {answer:?}");
        }
        for (task_before, connection) in &mut open {
            assert_eq!(task(&connection.who().await?), *task_before);
        }
        Ok((after, open.len()))
    };
    let (after, open) = swarm.client.block_on(talk).unwrap();
    println!(
        "5 s of lease: the kernel's {after:?} after the agents were killed; {open} connections went on"
    );
    // Renewed up to a second before.
    assert!(after > Duration::from_secs(3), "{after:?}");

    let again = Instant::now();
    let _agents = start();
    for peer in &peers {
        wait::until("an answer", TASKS, || Ok(swarm.client.who(*peer).ok())).unwrap();
    }
    println!(
        "served again {:?} after other agents were started",
        again.elapsed()
    );
    swarm.wait_until_served(&service.id, 2, TASKS).unwrap();
    for (node, peer) in swarm.nodes.iter().zip(peers) {
        let twice = ids(&tasks).into_iter().map(|task| (task, 2)).collect();
        assert_eq!(tally(&swarm.client.sequential(peer, 4).unwrap()), twice);
        let to = format!("{peer}/tcp");
        let new: Explanation = json(node, &["explain", "10.77.0.100", &to]);
        assert_eq!(new.rule, Rule::RoundRobin);
    }
}

/// Did the kernel alone deal with a connection? Its stock mesh answers, and hides the client from
/// the task; where there is none, it refuses.
fn is_kernels(answer: &anyhow::Result<Who>) -> bool {
    let stock = Path::new("/proc/net/ip_vs").exists();
    match answer {
        Ok(who) => stock && who.peer.ip() != CLIENT,
        Err(error) => !stock && format!("{error:#}").contains("refused"),
    }
}
