//! Labels of a service that say who may come, who stays, and who gets the next one.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use harness::agents::by_ipvs;
use harness::client::PATIENCE;
use harness::node::Node;
use harness::outcome::{assert_failed, is_silence};
use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::topology::CLIENT;
use harness::traffic::http::Connection;
use harness::wait;
use harness::who::Who;
use lb_core::report::{Check, Drops, Explanation, Rule, Verdict};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::lbctl::json;
use crate::tools::{ids, served, tally, task};
use crate::{TASKS, shared_swarm};

/// Time after which a request counts as dropped: longer than any answer takes.
const NO_ANSWER: Duration = Duration::from_millis(500);
/// A client of another network than [`CLIENT`], in the same namespace.
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 200);

/// Calls from this client address, and returns the answer.
fn asks(swarm: &Swarm, client: Ipv4Addr, node: &Node, port: u16) -> anyhow::Result<Who> {
    let peer = (node.addr, port).into();
    swarm.client.block_on(async move {
        Connection::open_from(client, peer, NO_ANSWER)
            .await?
            .who()
            .await
    })
}

/// Sends a datagram from this client address, and returns the answer.
fn datagram(swarm: &Swarm, client: Ipv4Addr, node: &Node, port: u16) -> anyhow::Result<Who> {
    let peer: SocketAddr = (node.addr, port).into();
    swarm.client.block_on(async move {
        let socket = UdpSocket::bind((client, 0)).await?;
        socket.connect(peer).await?;
        socket.send(b"who").await?;
        let mut answer = [0; 2048];
        let length = timeout(slow::longer(NO_ANSWER), socket.recv(&mut answer)).await??;
        Ok(serde_json::from_slice(&answer[..length])?)
    })
}

fn refused(node: &Node) -> u64 {
    let told: Drops = json(node, &["drops"]);
    let found = told.drops.iter().find(|drop| drop.reason == "not-allowed");
    found.unwrap().packets
}

#[test]
fn clients_of_other_networks_are_dropped_and_counted_and_a_changed_label_applies_at_once() {
    let Some(swarm) = shared_swarm() else { return };
    let swarm: &Swarm = &swarm;
    let spec = ServiceSpec::named("fenced")
        .replicas(3)
        .publish("8210:80")
        .label("swarmlb.allow", "192.0.2.0/24, 10.77.0.128/25");
    let (service, _) = served(swarm, &spec, 3);
    let _guest = swarm.client.netns().address("eth0", GUEST).unwrap();
    for node in &swarm.nodes {
        let before = refused(node);
        // Dropped, and not refused: who may not come is not told what there is.
        assert_failed(&asks(swarm, CLIENT, node, 8210), is_silence, &node.name);
        let dropped = refused(node) - before;
        assert!(dropped >= 1, "{}", node.name);
        assert_eq!(
            asks(swarm, GUEST, node, 8210).unwrap().peer.ip(),
            GUEST,
            "{}",
            node.name
        );
        assert_eq!(refused(node) - before, dropped, "{}", node.name);
        // And so it is explained.
        let to = format!("{}:8210/tcp", node.addr);
        let not: Explanation = json(node, &["explain", &CLIENT.to_string(), &to]);
        assert_eq!(
            (not.rule, not.verdict),
            (Rule::NotAllowed, Verdict::Dropped),
            "{not:?}"
        );
        assert_eq!(not.reason.as_deref(), Some("not-allowed"));
        let guest: Explanation = json(node, &["explain", &GUEST.to_string(), &to]);
        assert_eq!(guest.rule, Rule::RoundRobin, "{guest:?}");
    }
    // The other way round, and then everybody.
    service
        .update(&["--label-add", &format!("swarmlb.allow={CLIENT}")])
        .unwrap();
    let changed = Instant::now();
    for node in &swarm.nodes {
        wait::until("the other network", TASKS, || {
            Ok(asks(swarm, CLIENT, node, 8210).ok())
        })
        .unwrap();
    }
    println!(
        "another network may come {:?} after `docker service update`",
        changed.elapsed()
    );
    for node in &swarm.nodes {
        let before = refused(node);
        assert_failed(&asks(swarm, GUEST, node, 8210), is_silence, &node.name);
        assert!(refused(node) > before, "{}", node.name);
    }
    service.update(&["--label-rm", "swarmlb.allow"]).unwrap();
    for node in &swarm.nodes {
        wait::until("everybody", TASKS, || {
            Ok(asks(swarm, GUEST, node, 8210).ok())
        })
        .unwrap();
        asks(swarm, CLIENT, node, 8210).unwrap();
    }
}

#[test]
fn datagrams_of_other_networks_are_dropped_and_counted_too() {
    let Some(swarm) = shared_swarm() else { return };
    let swarm: &Swarm = &swarm;
    let spec = ServiceSpec::named("fenced-udp")
        .replicas(3)
        .publish("8213:80/udp")
        .label("swarmlb.allow", "192.0.2.0/24, 10.77.0.128/25");
    let (service, _) = served(swarm, &spec, 3);
    let _guest = swarm.client.netns().address("eth0", GUEST).unwrap();
    for node in &swarm.nodes {
        let before = refused(node);
        assert_failed(&datagram(swarm, CLIENT, node, 8213), is_silence, &node.name);
        let dropped = refused(node) - before;
        assert!(dropped >= 1, "{}", node.name);
        let answer = datagram(swarm, GUEST, node, 8213).unwrap();
        assert_eq!(answer.peer.ip(), GUEST, "{}", node.name);
        assert_eq!(refused(node) - before, dropped, "{}", node.name);
    }
    service.update(&["--label-rm", "swarmlb.allow"]).unwrap();
    for node in &swarm.nodes {
        wait::until("everybody", TASKS, || {
            Ok(datagram(swarm, CLIENT, node, 8213).ok())
        })
        .unwrap();
    }
}

#[test]
fn a_client_stays_with_a_task_for_the_seconds_of_its_label_and_no_longer_than_that_lives() {
    let Some(swarm) = shared_swarm() else { return };
    let swarm: &Swarm = &swarm;
    let spec = ServiceSpec::named("attached")
        .replicas(3)
        .option("--restart-delay", "1s")
        .publish("8211:80")
        .label("swarmlb.affinity", "3");
    let (service, _) = served(swarm, &spec, 3);
    let node = &swarm.nodes[0];
    let peer = (node.addr, 8211);
    let first = tally(&swarm.client.sequential(peer, 20).unwrap());
    assert_eq!(first.len(), 1, "{first:?}");
    // It stays as long as it comes again in time, also beyond the three seconds.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(1));
        let again = tally(&swarm.client.sequential(peer, 1).unwrap());
        assert!(first.keys().eq(again.keys()), "{first:?} {again:?}");
    }
    std::thread::sleep(Duration::from_secs(5));
    let second = tally(&swarm.client.sequential(peer, 20).unwrap());
    assert_eq!(second.len(), 1, "{second:?}");
    assert!(!first.keys().eq(second.keys()), "it was away for longer");

    let gone = second.keys().next().unwrap();
    let tasks = service.tasks().unwrap();
    let task_of = tasks.iter().find(|task| task.id == *gone).unwrap();
    let home = swarm.node(&task_of.node).unwrap();
    home.docker(&["kill", task_of.container.as_deref().unwrap()])
        .unwrap();
    let killed = Instant::now();
    let third = wait::until("another task", TASKS, || {
        // Until its end is known, the client is sent to the task that is gone.
        Ok(asks(swarm, CLIENT, node, 8211).ok().map(|who| task(&who)))
    });
    let third = third.unwrap();
    println!(
        "a client that stays has another task {:?} after its own was killed",
        killed.elapsed()
    );
    assert_ne!(third, *gone);
    let rest = tally(&swarm.client.sequential(peer, 10).unwrap());
    assert!(rest.keys().eq([&third]), "{rest:?}");
}

#[test]
fn each_of_six_clients_has_one_task_for_all_ports_of_a_service() {
    let Some(swarm) = shared_swarm() else { return };
    let swarm: &Swarm = &swarm;
    let spec = ServiceSpec::named("attached-whole")
        .replicas(3)
        .publish("8214:80")
        .publish("8214:80/udp")
        .publish("8215:80")
        .label("swarmlb.affinity", "600");
    let (_service, tasks) = served(swarm, &spec, 3);
    if by_ipvs() {
        // There it holds for each port by itself, and the operator is told so.
        for node in &swarm.nodes {
            let check: Check = json(node, &["check"]);
            let mut told = check.problems.iter();
            let told = told.any(|it| {
                it.object == "service attached-whole" && it.message.contains("each of its 3 ports")
            });
            assert!(told, "{check:?}");
        }
        return;
    }
    let clients = (201..=206).map(|last| Ipv4Addr::new(10, 77, 0, last));
    let clients: Vec<Ipv4Addr> = clients.collect();
    let addresses = clients.iter();
    let _addresses: Vec<_> = addresses
        .map(|client| swarm.client.netns().address("eth0", *client).unwrap())
        .collect();
    for node in &swarm.nodes {
        let mut had = Vec::new();
        for (n, client) in clients.iter().enumerate() {
            let by_tcp = |port| asks(swarm, *client, node, port).unwrap();
            let by_udp = |port| datagram(swarm, *client, node, port).unwrap();
            // Half of them begin by TCP, and half by UDP.
            let answers = if n < 3 {
                [by_tcp(8214), by_tcp(8215), by_udp(8214), by_tcp(8214)]
            } else {
                [by_udp(8214), by_tcp(8215), by_tcp(8214), by_udp(8214)]
            };
            let own = tally(&answers);
            assert_eq!(own.len(), 1, "{client} through {}: {own:?}", node.name);
            assert!(answers.iter().all(|who| who.peer.ip() == *client));
            had.extend(own.into_keys());
        }
        // Three clients took three turns at one port, and so did three at another.
        for three in had.chunks(3) {
            let three: BTreeSet<String> = three.iter().cloned().collect();
            assert_eq!(three, ids(&tasks), "through {}", node.name);
        }
    }
}

#[test]
fn new_connections_go_to_the_task_that_has_fewer_of_them() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("least")
        .replicas(2)
        .publish("8212:80")
        .label("swarmlb.policy", "least-conn");
    let (_service, _) = served(&swarm, &spec, 2);
    for node in &swarm.nodes {
        let peer = (node.addr, 8212).into();
        let talk = async move {
            let mut open = Vec::new();
            for _ in 0..8 {
                let mut connection = Connection::open(peer, PATIENCE).await?;
                open.push((task(&connection.who().await?), connection));
            }
            let busy = open[0].0.clone();
            let all = open.len();
            open.retain(|(task, _)| *task == busy);
            let kept = open.len();
            // Flows are counted every second.
            tokio::time::sleep(Duration::from_millis(2500)).await;
            let mut new = Vec::new();
            for _ in 0..kept {
                let mut connection = Connection::open(peer, PATIENCE).await?;
                new.push((task(&connection.who().await?), connection));
            }
            let elsewhere = new.iter().filter(|(task, _)| *task != busy).count();
            for (_, connection) in &mut open {
                connection.who().await?;
            }
            Ok((all, kept, elsewhere))
        };
        let (all, kept, elsewhere) = swarm.client.block_on(talk).unwrap();
        assert_eq!(
            kept * 2,
            all,
            "equal ones take turns: through {}",
            node.name
        );
        assert_eq!(elsewhere, kept, "through {}", node.name);
    }
}
