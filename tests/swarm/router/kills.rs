//! Routers are killed at once: what is under way through them ends, and nothing that is begun after that fails, as the agents hold
//! the listening sockets. Clients of the datapath's own ports, and of other routers, notice nothing.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

use anyhow::Result;
use futures_util::future::join_all;
use harness::beside::beside;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::traffic::kept::{self, KeptLoad, KeptReport};
use harness::traffic::load::Failure;
use harness::{procs, slow, wait};

use super::loads::{AFTER, Loads};
use super::protocols::PATIENCE;
use super::site::{REPLICAS, Site};
use super::streams::websocket;
use super::swarm::processes;
use crate::TASKS;
use crate::tools::{answered, assert_unharmed, during, ids, load, served};

/// Published by the service whose clients pass no router.
const PORT: u16 = 8310;
/// Connections to each node that are kept.
const KEPT: u32 = 4;
/// New connections that a router may take with it. It gets some 50 a second, and each has its answer within milliseconds.
const UNDER_WAY: usize = 10;

/// The end of a node's router.
#[derive(Debug)]
struct Kill {
    node: IpAddr,
    /// When it was running for certain.
    before: Instant,
    /// When nothing of it was left.
    gone: Instant,
}

impl Kill {
    /// Kills the router of a node, and waits until nothing of it is left: a process that is no zombie either has no socket.
    fn of(node: &Node) -> Result<Self> {
        let routers = processes(node)?;
        let before = Instant::now();
        for router in &routers {
            procs::kill_now(*router)?;
        }
        wait::until("the end of a killed router", TASKS, || {
            let there = |router: &u32| Path::new(&format!("/proc/{router}")).exists();
            Ok((!routers.iter().any(there)).then_some(()))
        })?;
        Ok(Self {
            node: node.addr.into(),
            before,
            gone: Instant::now(),
        })
    }

    /// Was a request under way through this router, of a load that began then?
    fn took_along(&self, begun: Instant, failure: &Failure) -> bool {
        let asked = begun + failure.asked;
        failure.peer.is_some_and(|peer| peer.ip() == self.node)
            && asked <= self.gone
            && asked + failure.after >= self.before
    }
}

/// Kills the routers of these nodes, one after the other.
fn kill_all(nodes: &[Node]) -> Result<Vec<Kill>> {
    let mut kills = Vec::new();
    // Each connection that is kept has answered by then.
    thread::sleep(slow::longer(AFTER));
    for node in nodes {
        kills.push(Kill::of(node)?);
        thread::sleep(slow::longer(AFTER));
    }
    Ok(kills)
}

impl Site<'_> {
    /// Kills the router of each node, under all loads. `one` has `moving.test`.
    pub(super) fn routers_killed(&self) {
        let (swarm, peers) = (&self.routed.test.swarm, self.routed.everywhere());
        let spec = ServiceSpec::named("published")
            .replicas(REPLICAS)
            .publish(&format!("{PORT}:80"));
        let (_service, tasks) = served(swarm, &spec, REPLICAS);
        let moving = [&self.one];
        let before = self.owners(&moving);
        let connections = peers.iter().map(|peer| KeptLoad {
            peer: *peer,
            host: "one.test".to_owned(),
            connections: KEPT,
            rate: 34,
            timeout: PATIENCE,
        });
        let connections: Vec<KeptLoad> = connections.collect();
        let (last, others) = swarm.nodes.split_last().unwrap();
        let through_last = SocketAddr::from((last.addr, 80));
        let kills = || {
            let talks = |stop: &AtomicBool| websocket(swarm, through_last, stop);
            let (mut kills, messages) = beside(talks, || kill_all(others))?;
            println!("a WebSocket through a router that was not killed: {messages} messages");
            kills.extend(kill_all(std::slice::from_ref(last))?);
            Ok(kills)
        };
        let with_kept = || {
            let asks = |stop: &AtomicBool| {
                let all = connections.iter().map(|load| kept::run(load, stop));
                let all: Vec<_> = all.collect();
                swarm
                    .client
                    .block_on(async move { Ok(join_all(all).await) })
            };
            beside(asks, kills)
        };
        let port = load(swarm, PORT);
        let with_port = || Ok(during(swarm, &swarm.client, &port, with_kept));
        let (((kills, by_kept), by_port, lost), loads) = self.under_loads(&peers, with_port);

        assert_unharmed("routers killed, a published port", &by_port, lost);
        assert_eq!(answered(&by_port), ids(&tasks));
        assert_ended_with(&kills, &loads);
        let mut answers = loads.answers();
        for (peer, report) in peers.iter().zip(by_kept) {
            assert_cut_once(
                &format!("routers killed, kept connections to {peer}"),
                &report,
            );
            answers.push(("one.test", report.tasks));
        }
        self.assert_own("routers killed", &answers, &before, &moving);
    }
}

/// All that failed was under way through a router when it was killed; of a client that asks one by one, one request at most.
fn assert_ended_with(kills: &[Kill], loads: &Loads) {
    let Loads {
        new,
        moved,
        http2,
        calls,
        tls,
        ..
    } = loads;
    for report in [new, moved] {
        assert!(report.answered() > slow::fewer(100), "hardly any load");
    }
    for (what, asked) in [("HTTP/2", http2), ("gRPC", calls), ("TLS", tls)] {
        asked.assert_busy(&format!("routers killed, {what}"));
    }
    let new_begun = new.begun.unwrap();
    let moved_begun = moved.begun.unwrap();
    for (what, begun, failures, at_most) in [
        ("new connections", new_begun, &new.failures, UNDER_WAY),
        ("the moving host", moved_begun, &moved.failures, UNDER_WAY),
        ("HTTP/2", http2.begun, &http2.failures, 1),
        ("gRPC", calls.begun, &calls.failures, 1),
        ("new connections by TLS", tls.begun, &tls.failures, 1),
    ] {
        let with = |kill: &Kill| {
            failures
                .iter()
                .filter(|it| kill.took_along(begun, it))
                .count()
        };
        let ended: Vec<usize> = kills.iter().map(with).collect();
        println!("routers killed, {what}: {ended:?} requests ended with them");
        let known = ended.iter().sum::<usize>();
        assert_eq!(failures.len(), known, "{what}: {failures:#?}, by {kills:?}");
        assert!(
            ended.iter().all(|count| *count <= at_most),
            "{what}: {failures:#?}"
        );
    }
}

/// Of connections to one node that are kept, each lost no more than the request that was under way on it when the router was
/// killed; who connected again was answered.
fn assert_cut_once(what: &str, report: &KeptReport) {
    println!(
        "{what}: {} requests, {} failed, {} connections ended, slowest {:?}",
        report.requests, report.failed, report.closed, report.slowest
    );
    assert!(
        report.requests > slow::fewer(100),
        "{what}: hardly any load"
    );
    assert_eq!(report.failed, report.cut, "{what}: {:#?}", report.failures);
    assert!(
        report.cut <= u64::from(KEPT),
        "{what}: {:#?}",
        report.failures
    );
}
