//! A removed service leaves a closed port, and nothing in the kernel.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use harness::agents::{by_ipvs, by_mesh};
use harness::client::PATIENCE;
use harness::service::ServiceSpec;
use harness::slow;
use harness::wait;
use lb_core::model::ids::{Key, ServiceId};
use tokio::net::TcpStream;

use crate::kernel::{counted, traces, weighed};
use crate::shared_swarm;
use crate::tools::{everywhere, served};

/// Tasks end at once; the Swarm takes its time to say so.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn the_port_of_a_removed_service_is_refused_and_nothing_is_left_in_the_kernel() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("gone")
        .replicas(6)
        .publish("8120:80/tcp")
        .publish("8121:80/udp")
        .label("swarmlb.allow", "10.77.0.0/24")
        .label("swarmlb.affinity", "600");
    let (service, tasks) = served(&swarm, &spec, 6);
    let key = Key::from(&ServiceId::from(service.id.as_str())).0;
    let least = match (by_mesh(), by_ipvs()) {
        (true, _) => 0,
        // A virtual service for each port and one destination each; connections are not looked at.
        (_, true) => 4,
        // Two ports and their turns, six places that they share, six tasks, 31 flows, two clients that are kept, a call
        // of a process, and two networks.
        _ => 50,
    };
    for node in &swarm.nodes {
        swarm.client.sequential((node.addr, 8120), 30).unwrap();
        swarm.client.udp((node.addr, 8121), PATIENCE).unwrap();
        node.client().who((Ipv4Addr::LOCALHOST, 8120)).unwrap();
        // Otherwise finding nothing would mean nothing.
        assert!(traces(node, key, &[8120, 8121]).len() >= least);
    }
    let begin = Instant::now();
    drop(service);
    for peer in everywhere(&swarm, 8120) {
        let refused = wait::until("a refusal", SOON, || {
            let asked = Instant::now();
            let tried = swarm.client.block_on(async move {
                Ok(tokio::time::timeout(slow::longer(PATIENCE), TcpStream::connect(peer)).await)
            })?;
            // Never silence: what is not served is refused at once.
            assert!(
                asked.elapsed() < slow::longer(Duration::from_secs(1)),
                "{peer}: {tried:?}"
            );
            let refused = tried?.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused);
            Ok(refused.then_some(()))
        });
        refused.unwrap();
        println!(
            "{peer}: refused {:?} after `docker service rm`",
            begin.elapsed()
        );
        let udp = swarm.client.udp((peer.ip(), 8121), PATIENCE).unwrap_err();
        assert!(format!("{udp:#}").contains("refused"), "{udp:#}");
    }
    for node in &swarm.nodes {
        let mut left = Vec::new();
        let nothing = wait::until("an empty kernel", SOON, || {
            left = traces(node, key, &[8120, 8121]);
            Ok(left.is_empty().then_some(()))
        });
        assert!(nothing.is_ok(), "{}: {left:#?}", node.name);
        if by_mesh() {
            continue;
        }
        assert!(node.served("gone").unwrap().is_null());
        if !by_ipvs() {
            let (counted, weighed) = (counted(node), weighed(node));
            for task in &tasks {
                let key = Key::of(&task.id).0;
                assert!(!counted.contains(&key), "{}", node.name);
                assert!(!weighed.contains(&key), "{}", node.name);
            }
        }
    }
    println!(
        "nothing left in any kernel {:?} after `docker service rm`",
        begin.elapsed()
    );
}
