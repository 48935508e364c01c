//! Ports that are served: assigned ones, TCP and UDP apart, and many.

use harness::client::PATIENCE;
use harness::service::ServiceSpec;
use harness::wait;
use lb_core::report::Check;

use crate::lbctl::json;
use crate::tools::{ids, served, settled, tally};
use crate::{TASKS, shared_swarm};

/// Ports of a service by label, and services that have so many.
const PORTS: u16 = 220;
const SERVICES: u16 = 5;

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

/// 1,100 ports, whose tables had 251 places each when each port had its own: more than there are slots.
#[test]
fn ports_by_the_hundred_take_nothing_from_a_service_that_scales() {
    let Some(swarm) = shared_swarm() else { return };
    let other = ServiceSpec::named("beside").replicas(6).publish("8217:80");
    let (other, _) = served(&swarm, &other, 6);
    let firsts = (0..SERVICES).map(|n| 20_000 + n * PORTS);
    let many: Vec<_> = firsts
        .map(|first| {
            let published: Vec<String> = (first..first + PORTS)
                .map(|port| format!("{port}:80"))
                .collect();
            let spec = ServiceSpec::named(&format!("hundreds{first}"))
                .label("swarmlb.policy", "source-hash")
                .label("swarmlb.publish", &published.join(","));
            (first, swarm.service_create(&spec).unwrap())
        })
        .collect();
    for (first, service) in &many {
        let tasks = settled(&swarm, service, 1);
        let once = ids(&tasks).into_iter().map(|task| (task, 1)).collect();
        for node in &swarm.nodes {
            for port in [*first, first + PORTS - 1] {
                let answers = swarm.client.sequential((node.addr, port), 1).unwrap();
                assert_eq!(tally(&answers), once, "{port} through {}", node.name);
            }
        }
    }
    other.update(&["--replicas", "9"]).unwrap();
    let nine = settled(&swarm, &other, 9);
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, 8217), 18).unwrap();
        let twos = ids(&nine).into_iter().map(|task| (task, 2)).collect();
        assert_eq!(tally(&answers), twos, "through {}", node.name);
        let check: Check = json(node, &["check"]);
        let refused = check.problems.iter().filter(|it| {
            it.object.starts_with("table ") || it.object.starts_with("service hundreds")
        });
        assert_eq!(refused.count(), 0, "{:?}", check.problems);
    }
}
