//! Ports that are taken from a service while it runs: by a label, or by Swarm. And a rolling update that changes the
//! port in the containers.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use harness::agents::by_ipvs;
use harness::client::PATIENCE;
use harness::node::Node;
use harness::outcome::is_refused;
use harness::pattern;
use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::wait;
use harness::who::Received;

use crate::clients::Clients;
use crate::kernel::frontends;
use crate::rolling::complete;
use crate::tools::{answered, everywhere, ids, served};
use crate::{TASKS, alone, shared_swarm};

const LENGTH: u64 = 20 << 20;

/// Downloads from each of `peers` while `acts` does something, and for as long.
fn downloads(
    swarm: &Swarm,
    peers: &[SocketAddr],
    acts: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<Received>> {
    let Some((peer, others)) = peers.split_first() else {
        // All are under way.
        std::thread::sleep(Duration::from_millis(300));
        acts()?;
        return Ok(Vec::new());
    };
    let (mut received, own) = swarm
        .client
        .download_during(*peer, (LENGTH, LENGTH / 8), || {
            downloads(swarm, others, acts)
        })?;
    received.push(own);
    Ok(received)
}

/// A process of the node that listens on `port` hears a client at once.
fn is_the_hosts(swarm: &Swarm, node: &Node, port: u16) {
    let listener = node.netns.run(|| TcpListener::bind((node.addr, port)));
    let listener = listener.unwrap().unwrap();
    let mut heard = [0];
    let talk = swarm.client.netns().run(|| {
        let mut stream = TcpStream::connect_timeout(&(node.addr, port).into(), PATIENCE)?;
        stream.write_all(b"!")
    });
    talk.unwrap().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(heard, *b"!", "port {port} of {}", node.name);
}

#[test]
fn a_port_that_is_taken_from_a_service_keeps_its_connections_and_gets_no_new_ones() {
    let Some(swarm) = shared_swarm() else { return };
    let mesh = Path::new("/proc/net/ip_vs").exists();
    let named = |name: &str| ServiceSpec::named(name).replicas(3);
    let expected = pattern::sha256(LENGTH);
    let mut services = Vec::new();
    for (port, spec, options) in [
        (
            8280,
            named("disabled").publish("8280:80"),
            ["--label-add", "swarmlb.enable=false"],
        ),
        (
            8281,
            named("relabelled").label("swarmlb.publish", "8281:80,8285:80"),
            ["--label-add", "swarmlb.publish=8285:80"],
        ),
        (
            8282,
            named("unpublished").publish("8282:80"),
            ["--publish-rm", "80"],
        ),
    ] {
        let (service, _) = served(&swarm, &spec, 3);
        wait::until("the port", TASKS, || {
            let mut all = everywhere(&swarm, port).into_iter();
            Ok(all.all(|peer| swarm.client.who(peer).is_ok()).then_some(()))
        })
        .unwrap();
        let mut withdrawn = || -> Result<()> {
            service.update(&options)?;
            if mesh && port == 8280 {
                // What is left to Docker, its own mesh answers.
                std::thread::sleep(slow::longer(Duration::from_secs(1)));
                return Ok(());
            }
            wait::until("refusals", TASKS, || {
                let mut all = everywhere(&swarm, port).into_iter();
                let refused = |peer| matches!(swarm.client.who(peer), Err(why) if is_refused(&why));
                Ok(all.all(refused).then_some(()))
            })?;
            // By IPVS, the port is refused for as long as it has connections. Where there is a mesh, the engine has
            // listened on what Swarm published, and may take its time.
            if !by_ipvs() && (port == 8281 || !mesh) {
                for node in &swarm.nodes {
                    is_the_hosts(&swarm, node, port);
                }
            }
            Ok(())
        };
        let received = downloads(&swarm, &everywhere(&swarm, port), &mut withdrawn).unwrap();
        for received in received {
            let whole = (received.bytes, &received.sha256);
            assert_eq!(whole, (LENGTH, &expected), "{options:?}");
        }
        services.push(service);
    }
    // No connection is left, and the tables have room for others.
    for node in &swarm.nodes {
        wait::until("nothing of these ports", TASKS, || {
            let left: Vec<u16> = frontends(node)
                .into_iter()
                .filter(|port| [8280, 8281, 8282].contains(port))
                .collect();
            Ok(left.is_empty().then_some(()))
        })
        .unwrap();
    }
}

#[test]
fn a_port_that_is_withdrawn_again_keeps_the_connections_that_it_has_by_then() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("again").replicas(3).publish("8286:80");
    let (service, _) = served(&swarm, &spec, 3);
    let enable = |word: &str| service.update(&["--label-add", &format!("swarmlb.enable={word}")]);
    // By IPVS no node has frontends.
    let wait_for = |what: &str, there: bool| {
        for node in &swarm.nodes {
            wait::until(what, TASKS, || {
                let as_wanted = by_ipvs() || frontends(node).contains(&8286) == there;
                Ok(as_wanted.then_some(()))
            })
            .unwrap();
        }
    };
    enable("false").unwrap();
    wait_for("an end of the port", false);
    // What looks for connections has found none, perhaps once more.
    std::thread::sleep(slow::longer(Duration::from_secs(2)));
    enable("true").unwrap();
    wait_for("the port", true);
    swarm.wait_until_served(&service.id, 3, TASKS).unwrap();
    let mut withdrawn = || -> Result<()> {
        enable("false")?;
        // Some ticks of the agents.
        std::thread::sleep(slow::longer(Duration::from_secs(4)));
        Ok(())
    };
    let received = downloads(&swarm, &everywhere(&swarm, 8286), &mut withdrawn).unwrap();
    let expected = pattern::sha256(LENGTH);
    for received in received {
        assert_eq!((received.bytes, &received.sha256), (LENGTH, &expected));
    }
}

#[test]
fn an_update_that_changes_the_port_in_the_containers_fails_no_request() {
    let Some(swarm) = alone() else { return };
    let late = slow::longer(Duration::from_millis(300)).as_millis();
    // What a service without arguments is given where all takes longer.
    let delay = if slow::factor() > 1 { late } else { 0 };
    let delay = format!("--term-delay={delay}");
    let spec = ServiceSpec::named("retargeted")
        .replicas(6)
        .option("--update-parallelism", "2")
        .option("--update-delay", "1s")
        .option("--update-monitor", "1s")
        .publish("published=8284,target=80")
        .argument("--port=80")
        .argument(&delay);
    let (service, old) = served(&swarm, &spec, 6);
    let update = || {
        service.update(&[
            "--publish-rm",
            "published=8284,target=80",
            "--publish-add",
            "published=8284,target=81",
            "--args",
            &format!("--port=81 {delay}"),
        ])?;
        complete(&swarm, &service);
        let new = service.wait_for_tasks(6, TASKS)?;
        swarm.wait_until_served(&service.id, 6, TASKS)?;
        std::thread::sleep(Duration::from_millis(500));
        Ok(new)
    };
    let clients = Clients::of(&swarm, 8284);
    let (new, report) = clients.unharmed("update of the target port", update);
    let both: BTreeSet<_> = ids(&old).union(&ids(&new)).cloned().collect();
    assert_eq!(both.len(), 12, "old and new tasks");
    assert_eq!(answered(&report), both);
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, 8284), 6).unwrap();
        assert!(answers.iter().all(|who| who.local.port() == 81));
    }
}
