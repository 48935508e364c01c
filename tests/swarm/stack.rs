//! A stack of a front end, a worker and a database on overlay networks.

use std::time::{Duration, Instant};

use harness::wait;

use crate::tools::{everywhere, tally};
use crate::{TASKS, shared_swarm};

const STACK: &str = "
version: '3.8'
x-who: &who { TASK: '{{.Task.ID}}', NODE: '{{.Node.Hostname}}' }
services:
  front:
    image: whoami:1
    environment: *who
    ports: ['5000:80']
    networks: [outer]
    deploy: { replicas: 2 }
  result:
    image: whoami:1
    environment: *who
    ports: ['5001:80']
    networks: [outer, inner]
  worker:
    image: whoami:1
    environment: *who
    networks: [outer, inner]
    deploy: { mode: global }
  db:
    image: whoami:1
    environment: *who
    ports:
      - { target: 80, published: 5432, protocol: tcp, mode: ingress }
      - { target: 80, published: 5432, protocol: udp, mode: ingress }
    networks: [inner]
    deploy: { placement: { constraints: ['node.role == manager'] } }
networks:
  outer:
  inner: { driver: overlay, internal: true }
";

#[test]
fn all_published_ports_of_a_stack_work_at_once() {
    let Some(swarm) = shared_swarm() else { return };
    let file = swarm.dir().join("shop.yml");
    std::fs::write(&file, STACK).unwrap();
    let _guard = swarm.stack_guard("shop");
    swarm.stack_deploy(&file, "shop").unwrap();
    let counts = [
        ("shop_front", 2),
        ("shop_result", 1),
        ("shop_worker", 3),
        ("shop_db", 1),
    ];
    for (service, count) in counts {
        swarm.wait_for_tasks(service, count, TASKS).unwrap();
    }
    let running = Instant::now();
    for (service, count) in counts
        .into_iter()
        .filter(|(name, _)| *name != "shop_worker")
    {
        // The last task that runs is served a moment later.
        swarm.wait_until_served(service, count, TASKS).unwrap();
    }
    for (port, tasks) in [(5000, 2), (5001, 1), (5432, 1)] {
        for peer in everywhere(&swarm, port) {
            wait::until(
                &format!("an answer of {peer}"),
                Duration::from_secs(2),
                || Ok(swarm.client.who(peer).ok()),
            )
            .unwrap();
            let answers = swarm.client.sequential(peer, 2 * tasks).unwrap();
            let twos = tally(&answers).into_values().collect::<Vec<_>>();
            assert_eq!(twos, vec![2; tasks], "{peer}");
        }
    }
    for peer in everywhere(&swarm, 5432) {
        swarm.client.udp(peer, Duration::from_secs(2)).unwrap();
    }
    println!(
        "a stack's ports all answered {:?} after its tasks ran",
        running.elapsed()
    );
}
