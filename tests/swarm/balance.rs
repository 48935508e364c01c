//! Every node answers a published port, each task in its turn, and tasks see the client.

use harness::agents::by_mesh;
use harness::client::PATIENCE;
use harness::service::ServiceSpec;
use harness::topology::CLIENT;
use harness::traffic::http::Connection;

use crate::shared_swarm;
use crate::tools::{everywhere, ids, served, tally, task};

#[test]
fn six_requests_reach_six_tasks_and_then_the_turn_begins_again() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("vote").replicas(6).publish("8080:80");
    let (_service, tasks) = served(&swarm, &spec, 6);
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, 8080), 12).unwrap();
        let order: Vec<_> = answers.iter().map(task).collect();
        let (first, second) = order.split_at(6);
        assert_eq!(first, second, "through {}", node.name);
        assert_eq!(
            tally(&answers)
                .into_keys()
                .collect::<std::collections::BTreeSet<_>>(),
            ids(&tasks)
        );
    }
}

#[test]
fn of_600_connections_through_a_node_each_of_6_tasks_gets_100_and_sees_the_client() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("exact").replicas(6).publish("8090:80");
    let (_service, tasks) = served(&swarm, &spec, 6);
    let hundreds = ids(&tasks).into_iter().map(|task| (task, 100)).collect();
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, 8090), 600).unwrap();
        assert_eq!(tally(&answers), hundreds, "through {}", node.name);
        for who in answers {
            assert_eq!(who.peer.ip(), CLIENT, "{who:?} through {}", node.name);
        }
    }
}

#[test]
fn a_kept_connection_sees_one_task_while_new_ones_see_all() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("kept").replicas(3).publish("8091:80");
    let (_service, tasks) = served(&swarm, &spec, 3);
    for node in &swarm.nodes {
        let peer = (node.addr, 8091).into();
        let browser = async move {
            let mut kept = Connection::open(peer, PATIENCE).await?;
            let (mut one, mut all) = (Vec::new(), Vec::new());
            for _ in 0..60 {
                one.push(kept.who().await?);
                all.push(harness::traffic::http::who(peer, PATIENCE).await?);
            }
            Ok((one, all))
        };
        let (one, all) = swarm.client.block_on(browser).unwrap();
        assert_eq!(tally(&one).len(), 1, "through {}", node.name);
        let twenties = ids(&tasks).into_iter().map(|task| (task, 20)).collect();
        assert_eq!(tally(&all), twenties, "through {}", node.name);
    }
}

#[test]
fn tasks_see_the_clients_address_and_port_by_tcp_and_udp() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("seen")
        .on_node("node2")
        .publish("8092:80")
        .publish("8092:80/udp");
    // Its only task is local to node2 and remote to the others.
    let (_service, _) = served(&swarm, &spec, 1);
    for (node, port) in swarm.nodes.iter().zip(30_010..) {
        let peer = (node.addr, 8092).into();
        let both = async move {
            // Of a port that was just used for another node, tasks may see an alias.
            let own = (CLIENT, port).into();
            let mut tcp = Connection::open_at(own, peer, PATIENCE).await?;
            let udp = harness::traffic::udp::Flow::open(peer).await?;
            let tcp = (tcp.who().await?, tcp.local());
            Ok([tcp, (udp.ask(PATIENCE).await?, udp.local()?)])
        };
        for (who, client) in swarm.client.block_on(both).unwrap() {
            assert_eq!(who.node.as_deref(), Some("node2"));
            assert_eq!(who.peer.ip(), CLIENT, "through {}", node.name);
            assert_eq!(who.peer.port(), client.port(), "through {}", node.name);
        }
    }
}

/// As those do that have many connections to all nodes: load balancers of their own. All of its lead
/// to the same task, which can't tell them apart by the client's end.
#[test]
fn a_client_may_use_one_port_for_every_node_at_once_and_one_after_the_other() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("meet")
        .publish("8095:80")
        .publish("8096:80");
    let (_service, _) = served(&swarm, &spec, 1);
    let mut peers = everywhere(&swarm, 8095);
    peers.extend(everywhere(&swarm, 8096));
    let at_once = async move {
        let local = |port: u16| (CLIENT, port).into();
        let mut kept = Vec::new();
        for peer in &peers {
            kept.push(Connection::open_at(local(30_001), *peer, PATIENCE).await?);
            for connection in &mut kept {
                let who = connection.who().await?;
                assert!(by_mesh() || who.peer.ip() == CLIENT, "{who:?}");
            }
        }
        for peer in &peers {
            let mut connection = Connection::open_at(local(30_002), *peer, PATIENCE).await?;
            connection.who().await?;
        }
        for connection in &mut kept {
            connection.who().await?;
        }
        anyhow::Ok(())
    };
    swarm.client.block_on(at_once).unwrap();
}

#[test]
fn a_node_without_a_task_answers_as_well() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("elsewhere")
        .on_node("node3")
        .replicas(2)
        .publish("8093:80");
    let (_service, tasks) = served(&swarm, &spec, 2);
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, 8093), 10).unwrap();
        let fives = ids(&tasks).into_iter().map(|task| (task, 5)).collect();
        assert_eq!(tally(&answers), fives, "through {}", node.name);
    }
}

#[test]
fn a_global_service_is_balanced_like_others() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("global").global().publish("8094:80");
    let (_service, tasks) = served(&swarm, &spec, 3);
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, 8094), 30).unwrap();
        let tens = ids(&tasks).into_iter().map(|task| (task, 10)).collect();
        assert_eq!(tally(&answers), tens, "through {}", node.name);
    }
}
