//! Agents talking to each other over real sockets and real TLS, fed by hand instead of by an
//! engine. Each agent has a loopback address of its own and all have one port, as on real nodes. Bounds of time are
//! such that a busy machine keeps them, and that what is only tried again later does not; how long things take is
//! measured by the Swarm suites.

mod bench;
mod hostile;

use super::tls::DialError;
use crate::certs::testing::{Authority, Role};
use bench::{Agent, Bench, event, view};
use lb_core::model::snapshot::{LocalHealth, Snapshot};
use lb_core::model::token::{TokenKey, TokenKeys};
use lb_core::view::overlay::EventKind;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gets_the_view_and_every_change() {
    let bench = Bench::new();
    let manager = bench.agent("m1", Role::Manager).await;
    let mut worker = bench.agent("w1", Role::Worker).await;
    manager.engine(view(&["t1"])).await;
    worker.until(|s| s.complete && s.tasks.len() == 1).await;
    let changed = Instant::now();
    manager.engine(view(&["t1", "t2"])).await;
    worker.until(|s| s.tasks.len() == 2).await;
    assert!(changed.elapsed() < Duration::from_secs(1));
    let source = worker.cluster.source.borrow().clone();
    assert!(source.connected, "{source:?}");
    assert_eq!(source.name, format!("{}:{}", manager.address, bench.port));
    assert_eq!(
        manager
            .cluster
            .agents
            .borrow()
            .iter()
            .map(|id| id.as_str())
            .collect::<Vec<_>>(),
        ["w1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_event_reaches_all_managers_and_through_them_all_workers() {
    let bench = Bench::new();
    let mut managers = [
        bench.agent("m1", Role::Manager).await,
        bench.agent("m2", Role::Manager).await,
    ];
    let mut teller = bench.agent("w1", Role::Worker).await;
    let mut other = bench.agent("w2", Role::Worker).await;
    for manager in &managers {
        manager.engine(view(&["t1"])).await;
        manager.has_agents(3).await;
    }
    for worker in [&mut teller, &mut other] {
        worker.until(|s| s.tasks.len() == 1).await;
    }
    let told = Instant::now();
    teller.local(event("t1", EventKind::Kill)).await;
    for agent in managers.iter_mut().chain([&mut teller, &mut other]) {
        agent.sees("t1", LocalHealth::Stopping).await;
    }
    assert!(
        told.elapsed() < Duration::from_secs(1),
        "{:?}",
        told.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_before_the_session_arrive_as_signs() {
    let bench = Bench::new();
    let worker = bench.agent("w1", Role::Worker).await;
    worker.local(event("t1", EventKind::Unhealthy)).await;
    let mut manager = bench.agent("m1", Role::Manager).await;
    manager.engine(view(&["t1"])).await;
    manager.sees("t1", LocalHealth::Unhealthy).await;
    worker.local(event("t1", EventKind::Healthy)).await;
    manager.sees("t1", LocalHealth::Ok).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_source_is_replaced_and_nothing_is_lost_meanwhile() {
    let bench = Bench::new();
    let mut managers = vec![
        bench.agent("m1", Role::Manager).await,
        bench.agent("m2", Role::Manager).await,
    ];
    let mut worker = bench.agent("w1", Role::Worker).await;
    for manager in &managers {
        manager.engine(view(&["t1", "t2"])).await;
        manager.has_agents(2).await;
    }
    worker.until(|s| s.tasks.len() == 2).await;
    worker.connected().await;
    let first = worker.cluster.source.borrow().name.clone();
    let used = managers
        .iter()
        .position(|m| first.starts_with(&m.address.to_string()));
    drop(managers.remove(used.unwrap()));
    let died = Instant::now();
    assert_eq!(worker.cluster.snapshot.borrow().tasks.len(), 2);
    managers[0].engine(view(&["t1", "t2", "t3"])).await;
    worker.until(|s| s.tasks.len() == 3).await;
    assert!(
        died.elapsed() < Duration::from_secs(8),
        "{:?}",
        died.elapsed()
    );
    worker.connected().await;
    assert_ne!(worker.cluster.source.borrow().name, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_source_is_replaced_too() {
    let bench = Bench::new();
    let frozen = bench.frozen_agent("m1").await;
    let manager = bench.agent("m2", Role::Manager).await;
    let mut worker = bench.agent("w1", Role::Worker).await;
    for agent in [&frozen.agent, &manager] {
        agent.engine(view(&["t1"])).await;
        agent.has_agents(2).await;
    }
    // Only the one that will fall silent is a good source at first.
    manager.trouble().await;
    worker.until(|s| s.tasks.len() == 1).await;
    worker.source_is(frozen.agent.address).await;
    manager.engine(view(&["t1", "t2"])).await;
    frozen.freeze();
    let froze = Instant::now();
    worker.until(|s| s.tasks.len() == 2).await;
    assert!(
        froze.elapsed() < Duration::from_secs(8),
        "{:?}",
        froze.elapsed()
    );
    worker.source_is(manager.address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_lost_its_quorum_is_left_for_one_that_has_it() {
    let bench = Bench::new();
    let one = bench.agent("m1", Role::Manager).await;
    let two = bench.agent("m2", Role::Manager).await;
    let worker = bench.agent("w1", Role::Worker).await;
    one.engine(view(&["t1"])).await;
    worker.source_is(one.address).await;
    two.engine(view(&["t1"])).await;
    two.has_agents(2).await;
    one.trouble().await;
    worker.source_is(two.address).await;
    assert_eq!(worker.cluster.snapshot.borrow().tasks.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let bench = Bench::new();
    let manager = bench.agent("m1", Role::Manager).await;
    manager.engine(view(&[])).await;

    // A certificate of another root.
    let foreign = Authority::new("cluster1");
    let refused = bench
        .try_connect(&foreign.node("w1", Role::Worker), &manager)
        .await;
    assert!(
        matches!(refused.dial, Some(DialError::OtherSwarm { .. })),
        "{refused:?}"
    );
    // The same, by someone who trusts this manager nevertheless.
    let posing = foreign.node("w1", Role::Worker);
    std::fs::write(
        posing.path().join("swarm-root-ca.crt"),
        bench.authority.root(),
    )
    .unwrap();
    let refused = bench.try_connect(&posing, &manager).await;
    assert!(!refused.admitted, "{refused:?}");
    // Of this root, but of another cluster by name.
    let renamed = bench.authority.renamed("cluster2");
    let refused = bench
        .try_connect(&renamed.node("w1", Role::Worker), &manager)
        .await;
    assert!(
        refused.says("cluster2, this is Swarm cluster1"),
        "{refused:?}"
    );
    // Of a node that was removed from the Swarm.
    let removed = bench.authority.node("w9", Role::Worker);
    let refused = bench.try_connect(&removed, &manager).await;
    assert!(
        refused.says("node w9 is not in the Swarm's list"),
        "{refused:?}"
    );
    // No certificate at all.
    assert!(bench.knock_without_certificate(&manager).await);
    // And the same way in with a good one.
    let good = bench.authority.node("w1", Role::Worker);
    let admitted = bench.try_connect(&good, &manager).await;
    assert!(admitted.admitted, "{admitted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_poses_as_manager_is_not_believed() {
    let bench = Bench::new();
    // Its engine is said to be a manager's, its certificate says otherwise.
    let fraud = bench.agent_with("m1", Role::Worker, true).await;
    fraud.engine(view(&["t1"])).await;
    let worker = bench.agent("w1", Role::Worker).await;
    worker
        .has_trouble("is no manager of this Swarm by its certificate")
        .await;
    assert!(!worker.cluster.snapshot.borrow().complete);
    assert!(fraud.cluster.agents.borrow().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_removed_is_shown_out() {
    let bench = Bench::new();
    let manager = bench.agent("m1", Role::Manager).await;
    let _worker = bench.agent("w1", Role::Worker).await;
    manager.engine(view(&[])).await;
    manager.has_agents(1).await;
    let mut without = view(&[]);
    without.nodes.remove(&"w1".into());
    manager.engine(without).await;
    manager.has_agents(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_worker_becomes_a_source_by_its_new_certificate() {
    let bench = Bench::new();
    let one = bench.agent("m1", Role::Manager).await;
    let two = bench.agent("m2", Role::Worker).await;
    let worker = bench.agent("w1", Role::Worker).await;
    one.engine(view(&["t1"])).await;
    worker.source_is(one.address).await;
    two.promote(&bench.authority).await;
    two.engine(view(&["t1"])).await;
    two.has_agents(2).await;
    drop(one);
    worker.source_is(two.address).await;
    assert_eq!(worker.cluster.snapshot.borrow().tasks.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clusters_traffic_is_the_sum_from_any_node() {
    let bench = Bench::new();
    let manager = bench.agent("m1", Role::Manager).await;
    let mut worker = bench.agent("w1", Role::Worker).await;
    let other = bench.agent("w2", Role::Worker).await;
    manager.engine(view(&["t1"])).await;
    manager.has_agents(2).await;
    worker.until(|s| s.complete).await;
    worker.connected().await;
    for agent in [&manager, &worker] {
        let stats = agent.cluster.cluster_stats.collect().await;
        // Each of the bench's agents counts one connection more than the one before it.
        assert_eq!(stats.services[0].total.new, 1 + 2 + 3);
        assert_eq!(
            stats.missing,
            ["host-m2"],
            "in the list of nodes, without an agent"
        );
    }
    drop(other);
    manager.has_agents(1).await;
    let stats = worker.cluster.cluster_stats.collect().await;
    assert_eq!(stats.services[0].total.new, 1 + 2);
    assert_eq!(stats.missing, ["host-m2", "host-w2"]);
    drop(manager);
    let stats = worker.cluster.cluster_stats.collect().await;
    assert_eq!(stats.services[0].total.new, 2);
    assert_eq!(stats.missing, ["host-m1", "host-m2", "host-w2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_datapath_has_no_counters_and_is_named() {
    let bench = Bench::new();
    let manager = bench.agent("m1", Role::Manager).await;
    let mut worker = bench.agent("w1", Role::Worker).await;
    manager.engine(view(&["t1"])).await;
    manager.has_agents(1).await;
    worker.until(|s| s.complete).await;
    worker.connected().await;
    worker.has_no_datapath();
    for agent in [&manager, &worker] {
        let stats = agent.cluster.cluster_stats.collect().await;
        assert_eq!(stats.services[0].total.new, 1);
        assert_eq!(stats.missing, ["host-m2", "host-w1", "host-w2"]);
    }
    manager.has_no_datapath();
    let stats = manager.cluster.cluster_stats.collect().await;
    assert_eq!(stats.services, []);
    assert_eq!(stats.missing, ["host-m1", "host-m2", "host-w1", "host-w2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_learns_by_what_keys_every_other_one_sends() {
    let bench = Bench::new();
    let mut manager = bench.agent("m1", Role::Manager).await;
    let mut one = bench.agent("w1", Role::Worker).await;
    let mut other = bench.agent("w2", Role::Worker).await;
    manager.engine(view(&["t1"])).await;
    let keys = |byte: u8| TokenKeys {
        epoch: byte.into(),
        current: TokenKey::new([byte; 16]),
        next: TokenKey::new([byte + 1; 16]),
    };
    for (agent, byte) in [(&manager, 1), (&one, 3), (&other, 5)] {
        agent.announcer.advertise_token_keys(keys(byte));
        agent.announcer.advertise_datapath("ebpf");
    }
    for byte in [3, 7] {
        one.announcer.advertise_token_keys(keys(byte));
        for agent in [&mut manager, &mut one, &mut other] {
            let wanted = [("m1", 1), ("w1", byte), ("w2", 5)];
            let all = |s: &Snapshot| {
                let has = |(id, byte): &(&str, u8)| {
                    let node = s.nodes.get(&(*id).into());
                    node.is_some_and(|node| node.token_keys == Some(keys(*byte)))
                };
                wanted.iter().all(has)
            };
            agent.until(all).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_one_sentence() {
    let bench = Bench::new();
    let agent: Agent = bench.agent("m1", Role::Manager).await;
    let error = super::start::listen(agent.address.into(), bench.port)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("--port"), "{error}");
}
