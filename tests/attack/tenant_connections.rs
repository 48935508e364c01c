//! A tenant's container opens connections to a manager's agent. They bear its node's address, by which that agent limits
//! the handshakes of its node's own agent.

use std::net::{SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use harness::acceptance::served;
use harness::client::Client;
use harness::containers::inside;
use harness::netns::Netns;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::{procs, slow, wait};
use lb_core::report::Drops;

use crate::packet::at;
use crate::stranger_connections::{allow_files, crowd};
use crate::tunnel::PORT;
use crate::{TASKS, alone};

/// At once, and again as soon as these are given up: some thousands until the agent is back, and as many where time is
/// longer.
const CONNECTIONS: u32 = 1000;
/// The port of the Swarm's managers, from which nobody keeps containers.
const SWARM_PORT: u16 = 2377;
/// So long after its start an agent has its view.
const VIEW: Duration = Duration::from_secs(10);

#[test]
fn a_containers_connections_keep_no_agent_of_its_node_out() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("caller")
        .on_node("node2")
        .publish("8444:80");
    let (_service, tasks) = served(&swarm, &spec, 1);
    let (_netns, container) = inside(&swarm, &tasks[0]).unwrap();
    let worker = swarm.node("node2").unwrap();
    let manager = swarm.manager().unwrap().addr;
    let agent = at(manager, PORT);
    assert!(
        connects(container.netns(), at(manager, SWARM_PORT)),
        "the container reaches no other port of the manager either"
    );
    allow_files();
    let dropped = not_ours(worker);
    let over = AtomicBool::new(false);
    let (tried, opened) = std::thread::scope(|scope| {
        let attack = scope.spawn(|| attack(&container, agent, &over));
        let stop = Stop(&over);
        // It is under way.
        std::thread::sleep(slow::longer(Duration::from_secs(1)));
        restart(worker);
        let begin = Instant::now();
        let viewed = wait::until("the view of an agent that has started", VIEW, || {
            let status = worker.lbctl(&["status", "--quiet"])?.status;
            Ok(status.success().then_some(()))
        });
        viewed.with_context(|| worker.agent_log()).unwrap();
        println!("the view came after {:?}", begin.elapsed());
        assert!(connects(&worker.netns, agent), "a process of the node");
        drop(stop);
        attack.join().unwrap()
    });
    println!("{opened} of {tried} connections were opened");
    assert_eq!(opened, 0, "connections of the container's");
    let refused = not_ours(worker) - dropped;
    assert!(
        refused >= u64::from(CONNECTIONS),
        "hardly any attack: {refused} packets were dropped"
    );
}

/// Has the container open connections until it is over: how many it tried to open, and how many were.
fn attack(container: &Client, agent: SocketAddrV4, over: &AtomicBool) -> (u32, usize) {
    let (mut tried, mut opened) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        opened += crowd(container, agent.into(), CONNECTIONS).unwrap().len();
        tried += CONNECTIONS;
    }
    (tried, opened)
}

/// Ends an attack, also where the test fails meanwhile.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kills the node's agent, and waits for the one that the Swarm starts in its place.
fn restart(node: &Node) {
    let killed = node.agent_pid().unwrap();
    procs::kill_now(killed).unwrap();
    wait::until("another agent", TASKS, || {
        let another = |pid| pid != killed && pid != 0;
        Ok(node.agent_pid().is_ok_and(another).then_some(()))
    })
    .unwrap();
}

fn connects(netns: &Netns, to: SocketAddrV4) -> bool {
    let patience = slow::longer(Duration::from_secs(2));
    let connect = || TcpStream::connect_timeout(&to.into(), patience);
    netns.run(connect).unwrap().is_ok()
}

/// Packets that a node has dropped for being none of its own.
fn not_ours(node: &Node) -> u64 {
    let drops: Drops = serde_json::from_value(node.report(&["drops"]).unwrap()).unwrap();
    let counts = drops.drops.iter();
    let packets = counts.filter(|drop| drop.reason == "not-ours");
    packets.map(|drop| drop.packets).sum()
}
