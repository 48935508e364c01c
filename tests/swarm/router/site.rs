//! Services that share port 80, and whose tasks may answer for which of their hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use harness::client::PATIENCE;
use harness::guards::Service;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::traffic::http::Connection;
use harness::wait;

use super::swarm::Routed;
use crate::TASKS;
use crate::tools::{ids, task};

/// Tasks of each service that is under load.
pub(super) const REPLICAS: usize = 3;
/// In which a label or a certificate is used on all nodes.
pub(super) const LIVE: Duration = Duration::from_secs(5);

/// The tasks that the Swarm knows of the service of each host, those that have ended among them.
pub(super) type Owners = BTreeMap<&'static str, BTreeSet<String>>;

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
    pub(super) trusted: PathBuf,
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
                .option("--update-delay", "1s")
                .option("--update-monitor", "1s")
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

    /// The services under load.
    pub(super) fn both(&self) -> [&Service<'a>; 2] {
        [&self.one, &self.two]
    }

    /// The tasks that may answer for each host now; for `moving.test`, those of the services `moving`.
    pub(super) fn owners(&self, moving: &[&Service<'_>]) -> Owners {
        let known = |services: &[&Service<'_>]| {
            let mut tasks = BTreeSet::new();
            for service in services {
                tasks.extend(ids(&service.tasks().unwrap()));
            }
            tasks
        };
        let one = known(&[&self.one]);
        [
            ("one.test", one.clone()),
            ("calls.one.test", one),
            ("two.test", known(&[&self.two])),
            ("moving.test", known(moving)),
        ]
        .into()
    }

    /// Each host was answered by tasks that its service has, or had `before`: the Swarm forgets tasks that scaling ends.
    pub(super) fn assert_own(
        &self,
        what: &str,
        answers: &[(&str, BTreeSet<String>)],
        before: &Owners,
        moving: &[&Service<'_>],
    ) {
        let now = self.owners(moving);
        for (host, tasks) in answers {
            let ever = &now[*host] | &before[*host];
            let wrong = tasks - &ever;
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
