//! Somebody opens connections to a manager's agent, and says nothing on them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use harness::client::Client;
use harness::{shell, slow, wait};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::session::Fallen;
use crate::tunnel::PORT;
use crate::views::{Memory, Viewed};
use crate::{alone, messages};

/// All of them, always: they cost little where they are.
const CONNECTIONS: u32 = 5000;
/// After less than that, a session without a heartbeat is over.
const SILENCE: Duration = Duration::from_secs(4);
/// A worker has come in by then.
const ENTERED: Duration = Duration::from_secs(5);
/// Megabytes.
const MEMORY: u64 = 100;

#[test]
fn idle_connections_of_a_stranger_keep_no_worker_out() {
    let Some(swarm) = alone() else { return };
    allow_files();
    let worker = swarm.node("node2").unwrap();
    let mut viewed = Viewed::from(&swarm, worker, [8490, 8491]);
    let usual = viewed.delays().unwrap();
    let manager = swarm.manager().unwrap();
    let memory = Memory::of(manager.agent_pid().unwrap()).unwrap();

    let crowd = crowd(&swarm.client, (manager.addr, PORT).into(), CONNECTIONS).unwrap();
    println!("{} connections", crowd.len());
    std::thread::sleep(slow::longer(SILENCE));
    for node in &swarm.nodes {
        let status = node.lbctl(&["status", "--quiet"]).unwrap();
        assert!(
            status.status.success(),
            "{}: {}",
            node.name,
            node.agent_log()
        );
    }
    let attacked = viewed.delays().unwrap();
    attacked.assert_hardly_later_than(&usual);
    // A worker comes in, as its agent would after a restart. That tries again, too: a node has one connection, and
    // here the worker's own agent takes it back within a second.
    let newcomer = Fallen::node(&swarm, swarm.node("node3").unwrap()).unwrap();
    let enters = || {
        let session = async {
            let mut session = newcomer.enters().await?;
            session.says(messages::hello(&newcomer.id, "ebpf")).await?;
            session.hears().await
        };
        let entered = newcomer.block_on(session);
        Ok(entered.inspect_err(|error| println!("{error:#}")).ok())
    };
    wait::until("a worker that comes in", ENTERED, enters).unwrap();
    let grown = memory.grown().unwrap();
    println!("the manager's agent took {grown} MB more");
    assert!(grown < MEMORY, "{grown} MB more");
    drop(crowd);
    swarm.wait_for_agents().unwrap();
}

/// Lets this process have [`CONNECTIONS`] at once, which are files. A guest's system begins with a hard limit of 4,096, and
/// lets root have more.
pub(crate) fn allow_files() {
    let pid = std::process::id();
    let files = CONNECTIONS + 1000;
    let limit = |hard: &str| shell::run(&format!("prlimit --pid {pid} --nofile={files}:{hard}"));
    limit("").or_else(|_| limit(&files.to_string())).unwrap();
}

/// `count` connections of a client to `peer`; fewer, where they are not accepted.
pub(crate) fn crowd(
    client: &Client,
    peer: SocketAddr,
    count: u32,
) -> Result<Vec<std::net::TcpStream>> {
    client.block_on(async move {
        let patience = slow::longer(Duration::from_secs(2));
        let mut connecting = JoinSet::new();
        for _ in 0..count {
            connecting.spawn(tokio::time::timeout(patience, TcpStream::connect(peer)));
        }
        let mut held = Vec::new();
        while let Some(done) = connecting.join_next().await {
            if let Ok(Ok(stream)) = done? {
                held.push(stream.into_std()?);
            }
        }
        Ok(held)
    })
}
