//! Ports that are served: assigned ones, and TCP and UDP apart.

use harness::client::PATIENCE;
use harness::service::ServiceSpec;
use harness::wait;

use crate::tools::{ids, served, tally};
use crate::{TASKS, shared_swarm};

#[test]
fn a_port_that_swarm_assigns_is_served_on_every_node() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("assigned").replicas(2).publish("80");
    let (service, tasks) = served(&swarm, &spec, 2);
    let port = wait::until("a port", TASKS, || {
        let service = swarm.manager()?.api(&format!("/services/{}", service.id))?;
        Ok(service
            .pointer("/Endpoint/Ports/0/PublishedPort")
            .and_then(serde_json::Value::as_u64))
    });
    let port = u16::try_from(port.unwrap()).unwrap();
    assert!(port >= 30_000, "{port}");
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, port), 4).unwrap();
        let twos = ids(&tasks).into_iter().map(|task| (task, 2)).collect();
        assert_eq!(tally(&answers), twos, "through {}", node.name);
    }
}

#[test]
fn tcp_and_udp_on_one_number_can_be_two_services() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = |proto: &str| {
        let publish = format!("published=5353,target=80,protocol={proto}");
        ServiceSpec::named(&format!("dns-{proto}"))
            .replicas(2)
            .publish(&publish)
    };
    let (_tcp, tcp) = served(&swarm, &spec("tcp"), 2);
    let (_udp, udp) = served(&swarm, &spec("udp"), 2);
    for node in &swarm.nodes {
        let peer = (node.addr, 5353);
        let answers = swarm.client.sequential(peer, 4).unwrap();
        let twos = ids(&tcp).into_iter().map(|task| (task, 2)).collect();
        assert_eq!(tally(&answers), twos, "TCP through {}", node.name);
        let answers: Vec<_> = (0..4)
            .map(|_| swarm.client.udp(peer, PATIENCE).unwrap())
            .collect();
        let twos = ids(&udp).into_iter().map(|task| (task, 2)).collect();
        assert_eq!(tally(&answers), twos, "UDP through {}", node.name);
    }
}

#[test]
fn a_service_can_publish_tcp_and_udp_on_one_number() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("dns")
        .replicas(3)
        .publish("5354:80/tcp")
        .publish("5354:80/udp");
    let (_service, tasks) = served(&swarm, &spec, 3);
    let once: std::collections::BTreeMap<_, _> =
        ids(&tasks).into_iter().map(|task| (task, 1)).collect();
    for node in &swarm.nodes {
        let peer = (node.addr, 5354);
        // Each has its own turn: mixed, both still reach every task.
        let (mut tcp, mut udp) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            tcp.push(swarm.client.who(peer).unwrap());
            udp.push(swarm.client.udp(peer, PATIENCE).unwrap());
        }
        assert_eq!(tally(&tcp), once, "TCP through {}", node.name);
        assert_eq!(tally(&udp), once, "UDP through {}", node.name);
    }
}
