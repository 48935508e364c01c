//! Services that share port 80, and clients of them by all protocols.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use harness::beside::beside;
use harness::client::PATIENCE;
use harness::guards::Service;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::traffic::http::Connection;
use harness::traffic::load::Load;
use harness::{slow, wait};

use super::protocols::{Kind, http2, tls};
use super::swarm::Routed;
use crate::TASKS;
use crate::tools::{answered, assert_unharmed, during, ids, task};

/// Tasks of each service that is under load.
pub(super) const REPLICAS: usize = 3;
/// In which a label or a certificate is used on all nodes.
pub(super) const LIVE: Duration = Duration::from_secs(5);
/// Of load, after what was changed.
pub(super) const AFTER: Duration = Duration::from_secs(4);

/// Two services under load, and one whose task stays where it is.
pub(super) struct Site<'a> {
    pub(super) routed: &'a Routed,
    /// Created before `two`: of both, it keeps a host that both claim.
    pub(super) one: Service<'a>,
    pub(super) two: Service<'a>,
    _stays: Service<'a>,
    /// The secrets `next.crt` and `next.key`, which routers do not have yet: the file of the certificate.
    pub(super) next: PathBuf,
    /// The certificates that clients by TLS believe: the routers' own, and the next one.
    trusted: PathBuf,
}

impl<'a> Site<'a> {
    /// Creates the services; returns once they answer through every node, and the routers have a certificate.
    pub(super) fn of(routed: &'a Routed) -> Self {
        let swarm = &routed.test.swarm;
        let create = |name: &str, hosts: &str, replicas: usize| {
            let label =
                |what: &str| format!("traefik.http.services.calls.loadbalancer.server.{what}");
            // The host of its calls of gRPC, which its tasks get by HTTP/2.
            let calls = format!("Host(`calls.{name}.test`)");
            let spec = ServiceSpec::named(name)
                .label("com.docker.lb.hosts", hosts)
                .label("com.docker.lb.port", "80")
                .label("traefik.http.routers.calls.rule", &calls)
                .label(&label("port"), "80")
                .label(&label("scheme"), "h2c")
                .replicas(replicas);
            let spec = match name {
                "stays" => spec.on_node("node3"),
                _ => spec,
            };
            let service = swarm.service_create(&spec).unwrap();
            service.wait_for_tasks(replicas, TASKS).unwrap();
            service
        };
        let one = create("one", "one.test", REPLICAS);
        let two = create("two", "two.test,moving.test", REPLICAS);
        let stays = create("stays", "stays.test", 1);
        let current = routed.certificates(&["two.test"]);
        let next = routed.secrets("next", &["two.test"]);
        let trusted = swarm.dir().join("trusted.pem");
        let both = [&current, &next].map(|file| std::fs::read(file).unwrap());
        std::fs::write(&trusted, both.concat()).unwrap();
        for (host, service) in [
            ("one.test", &one),
            ("two.test", &two),
            ("moving.test", &two),
            ("stays.test", &stays),
            ("calls.one.test", &one),
            ("calls.stays.test", &stays),
        ] {
            wait_until_live(swarm, &routed.everywhere(), host, service).unwrap();
        }
        Self {
            routed,
            one,
            two,
            _stays: stays,
            next,
            trusted,
        }
    }

    /// Does something under 360 requests a second through these nodes, and new connections by TLS beside them: nothing
    /// fails, and each host is answered by its own service; `moving.test` by one of the services that `moving` has.
    pub(super) fn unharmed(
        &self,
        what: &str,
        peers: &[SocketAddr],
        moving: &[&Service<'_>],
        acts: impl FnOnce() -> Result<()>,
    ) {
        let swarm = &self.routed.test.swarm;
        let load = |host: &str, rate| Load {
            rate,
            host: Some(host.to_owned()),
            ..Load::new(peers.iter().copied())
        };
        let (new, moved) = (load("two.test", 100), load("moving.test", 40));
        let kept = Load {
            kept: Some(12),
            ..load("one.test", 100)
        };
        let acts = || {
            let done = acts();
            std::thread::sleep(slow::longer(AFTER));
            done
        };
        let with_tls = || {
            beside(
                |stop| Ok(tls(swarm, peers, "two.test", &self.trusted, stop)),
                acts,
            )
        };
        let calls = ("calls.one.test", Kind::Grpc);
        let with_calls = || beside(|stop| http2(swarm, peers, calls, stop), with_tls);
        let gets = ("one.test", Kind::Get);
        let with_http2 = || beside(|stop| http2(swarm, peers, gets, stop), with_calls);
        let with_kept = || Ok(during(swarm, &swarm.client, &kept, with_http2));
        let with_moved = || Ok(during(swarm, &swarm.client, &moved, with_kept));
        let (beside_new, by_new, lost) = during(swarm, &swarm.client, &new, with_moved);
        let (beside_moved, by_moved, _) = beside_new;
        let (((((), by_tls), by_calls), by_http2), by_kept, _) = beside_moved;
        assert_unharmed(&format!("{what}, new connections"), &by_new, lost);
        assert_unharmed(&format!("{what}, the moving host"), &by_moved, lost);
        assert_unharmed(&format!("{what}, kept connections"), &by_kept, u64::MAX);
        by_http2.assert_unharmed(&format!("{what}, HTTP/2"));
        by_calls.assert_unharmed(&format!("{what}, gRPC"));
        by_tls.assert_unharmed(&format!("{what}, new connections by TLS"));
        let (one, two) = ([&self.one], [&self.two]);
        for (host, tasks, services) in [
            ("two.test", answered(&by_new), &two[..]),
            ("moving.test", answered(&by_moved), moving),
            ("one.test", answered(&by_kept), &one[..]),
            ("one.test", by_http2.tasks, &one[..]),
            ("calls.one.test", by_calls.tasks, &one[..]),
            ("two.test", by_tls.tasks, &two[..]),
        ] {
            let ever: BTreeSet<String> = services
                .iter()
                .flat_map(|service| ids(&service.tasks().unwrap()))
                .collect();
            let wrong = &tasks - &ever;
            assert!(wrong.is_empty(), "{what}: {wrong:?} answered for {host}");
        }
    }
}

/// Waits until every node answers for a host by a task of this service.
pub(super) fn wait_until_live(
    swarm: &Swarm,
    peers: &[SocketAddr],
    host: &str,
    service: &Service<'_>,
) -> Result<()> {
    let tasks = ids(&service.tasks()?);
    for peer in peers.iter().copied() {
        wait::until(&format!("{host} at {peer}"), LIVE, || {
            let who = swarm.client.block_on(async {
                let opened = Connection::open(peer, PATIENCE).await?;
                let mut connection = opened.for_host(host);
                connection.who().await
            });
            Ok(who.ok().filter(|who| tasks.contains(&task(who))))
        })?;
    }
    Ok(())
}
