//! Processes on the nodes themselves: `curl localhost:8080` on any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use harness::agents::by_ipvs;
use harness::client::PATIENCE;
use harness::image::WHOAMI_NEXT;
use harness::node::Node;
use harness::outcome::{assert_failed, is_unreachable};
use harness::pattern;
use harness::service::ServiceSpec;
use harness::traffic::load::Load;
use harness::traffic::udp;
use ipnet::IpNet;
use lb_core::backend::ebpf::task_address;
use lb_core::backend::ipvs::ids::HAIRPIN_FROM;
use lb_core::model::ids::Key;

use crate::rolling::complete;
use crate::tools::{answered, assert_unharmed, during, ids, load, served, tally, task};
use crate::{TASKS, alone, shared_swarm};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Addresses by which a process on a node may call the node.
fn names(node: &Node) -> [IpAddr; 3] {
    [
        LOCALHOST,
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(node.addr),
    ]
}

#[test]
fn six_requests_of_a_process_reach_six_tasks_by_every_name_of_its_node() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("home").replicas(6).publish("8180:80");
    let (_service, tasks) = served(&swarm, &spec, 6);
    for node in &swarm.nodes {
        for name in names(node) {
            if by_ipvs() && name.is_ipv6() {
                refused_at_once(node, name, 8180);
                continue;
            }
            let answers = node.client().sequential((name, 8180), 12).unwrap();
            let order: Vec<_> = answers.iter().map(task).collect();
            assert_eq!(order[..6], order[6..], "{name} on {}", node.name);
            let twice = ids(&tasks).into_iter().map(|task| (task, 2)).collect();
            assert_eq!(tally(&answers), twice, "{name} on {}", node.name);
            for who in answers {
                let here = who.node.as_deref() == Some(node.name.as_str());
                // To a task here, the process speaks from the bridge.
                let expected = if by_ipvs() {
                    HAIRPIN_FROM
                } else {
                    node.addr.into()
                };
                let peer = who.peer.ip();
                assert!(here || IpNet::from(expected).contains(&peer), "{who:?}");
            }
        }
    }
}

/// Also where the other node has it answered by a task on the caller's own.
#[test]
fn six_requests_of_a_process_reach_six_tasks_through_every_other_node() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("away").replicas(6).publish("8183:80");
    let (_service, tasks) = served(&swarm, &spec, 6);
    let (caller, others) = swarm.nodes.split_first().unwrap();
    for node in others {
        let answers = caller.client().sequential((node.addr, 8183), 12).unwrap();
        let twice = ids(&tasks).into_iter().map(|task| (task, 2)).collect();
        assert_eq!(tally(&answers), twice, "through {}", node.name);
        for who in answers {
            assert_eq!(who.peer.ip(), caller.addr, "{who:?}");
        }
    }
}

/// The IPVS path speaks IPv4: who tries `localhost` in the usual order loses no time over ::1.
fn refused_at_once(node: &Node, name: IpAddr, port: u16) {
    let refusal = node.client().get((name, port), "/", PATIENCE).unwrap_err();
    let refusal = format!("{refusal:#}");
    assert!(refusal.contains("refused"), "{name}: {refusal}");
}

#[test]
fn a_process_on_any_node_reaches_each_task_itself_at_its_own_port() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("themselves")
        .global()
        .publish("8189:80")
        .label("swarmlb.task-address", "true");
    let (_service, tasks) = served(&swarm, &spec, 3);
    for node in &swarm.nodes {
        for id in ids(&tasks) {
            let address = task_address(Key::of(&id));
            let answers = node.client().sequential((address, 80), 2).unwrap();
            assert!(
                answers.iter().all(|who| task(who) == id),
                "on {}",
                node.name
            );
            let received = node.client().download((address, 80), 20 << 20).unwrap();
            assert_eq!(received.sha256, pattern::sha256(20 << 20));
        }
    }
    // Nobody outside does: the address is no network's.
    let address = task_address(Key::of(&tasks[0].id));
    let outside = swarm.client.get((address, 80), "/", PATIENCE);
    assert_failed(&outside, is_unreachable, "the address of a task");
}

#[test]
fn processes_and_clients_outside_take_turns() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("turns").replicas(6).publish("8181:80");
    let (_service, tasks) = served(&swarm, &spec, 6);
    for node in &swarm.nodes {
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(node.client().who((LOCALHOST, 8181)).unwrap());
            answers.push(swarm.client.who((node.addr, 8181)).unwrap());
        }
        let once = ids(&tasks).into_iter().map(|task| (task, 1)).collect();
        assert_eq!(tally(&answers), once, "on {}", node.name);
    }
}

#[test]
fn datagrams_of_processes_are_answered_each_socket_by_the_next_task() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("ask").replicas(6).publish("8182:80/udp");
    let (_service, tasks) = served(&swarm, &spec, 6);
    let once: BTreeMap<_, _> = ids(&tasks).into_iter().map(|task| (task, 1)).collect();
    for node in &swarm.nodes {
        for name in names(node) {
            let answers: Vec<_> = (0..6)
                .map(|_| node.client().udp((name, 8182), PATIENCE).unwrap())
                .collect();
            assert_eq!(tally(&answers), once, "{name} on {}", node.name);
        }
        // Not connected: whoever answers must seem to be whom was asked.
        let answers: Vec<_> = (0..6).map(|_| sent_and_answered(node)).collect();
        let distinct: BTreeSet<_> = answers.into_iter().collect();
        assert_eq!(distinct, ids(&tasks), "sendto on {}", node.name);
    }
}

/// Datagrams of a socket that is not connected can't be pointed from IPv6 to IPv4: who sends them is told so, and tries
/// 127.0.0.1.
#[test]
fn an_unconnected_datagram_to_a_published_port_by_ipv6_is_refused_at_once() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("refuse").publish("8186:80/udp");
    let (_service, _) = served(&swarm, &spec, 1);
    for node in &swarm.nodes {
        let sent = |port| {
            let send = || {
                let socket = std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
                socket.send_to(b"who", (Ipv6Addr::LOCALHOST, port))
            };
            node.netns.run(send).unwrap().map_err(|error| error.kind())
        };
        assert_eq!(sent(8186), Err(std::io::ErrorKind::ConnectionRefused));
        assert_eq!(sent(8187), Ok(3), "nobody publishes it");
    }
}

/// Three datagrams from one socket that is never connected; the task that answered all.
fn sent_and_answered(node: &Node) -> String {
    let to: SocketAddr = (LOCALHOST, 8182).into();
    let three = async move {
        let socket = tokio::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        let mut tasks = BTreeSet::new();
        for _ in 0..3 {
            let (who, from) = udp::ask_unconnected(&socket, to, PATIENCE).await?;
            assert_eq!(from, to);
            tasks.insert(task(&who));
        }
        Ok(tasks)
    };
    let tasks = node.block_on(three).unwrap();
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    tasks.into_iter().next().unwrap()
}

#[test]
fn a_hundred_megabytes_arrive_intact_both_ways_from_a_task_elsewhere() {
    const LENGTH: u64 = 100 << 20;
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("haul")
        .on_node("node2")
        .publish("8183:80");
    let (_service, _) = served(&swarm, &spec, 1);
    let client = swarm.node("node1").unwrap().client();
    let begin = Instant::now();
    let down = client.download((LOCALHOST, 8183), LENGTH).unwrap();
    let between = Instant::now();
    let up = client.upload((LOCALHOST, 8183), LENGTH).unwrap();
    println!(
        "100 MB from a process to a task elsewhere: down {:?}, up {:?}",
        between - begin,
        between.elapsed()
    );
    let expected = pattern::sha256(LENGTH);
    assert_eq!((down.bytes, &down.sha256), (LENGTH, &expected));
    assert_eq!((up.bytes, &up.sha256), (LENGTH, &expected));
}

#[test]
fn a_rolling_update_fails_no_request_of_a_process() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("renew")
        .replicas(6)
        .option("--update-parallelism", "2")
        .option("--update-delay", "1s")
        .option("--update-order", "start-first")
        .publish("8184:80");
    let (service, _) = served(&swarm, &spec, 6);
    let update = || {
        service.update(&["--image", WHOAMI_NEXT])?;
        complete(&swarm, &service);
        service.wait_for_tasks(6, TASKS)
    };
    let calls = Load {
        peers: vec![(LOCALHOST, 8184).into()],
        ..load(&swarm, 8184)
    };
    let process = swarm.nodes[0].client();
    let (_, report, lost) = during(&swarm, &process, &calls, update);
    assert_unharmed("an update, called from a node", &report, lost);
    assert_eq!(answered(&report).len(), 12);
}

#[test]
fn the_loopback_of_another_namespace_is_not_the_nodes() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("apart").publish("8185:80");
    let (_service, _) = served(&swarm, &spec, 1);
    for node in &swarm.nodes {
        node.client().who((LOCALHOST, 8185)).unwrap();
    }
    let refused = swarm.client.who((LOCALHOST, 8185)).unwrap_err();
    assert!(format!("{refused:#}").contains("refused"), "{refused:#}");
}
