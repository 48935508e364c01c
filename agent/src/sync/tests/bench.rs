//! Agents on loopback addresses.

use crate::certs::testing::{Authority, Role};
use crate::certs::{self, Standing};
use crate::sync::feed::{Feed, Sources, assemble, listen};
use crate::sync::tls::{self, DialError};
use crate::sync::wire::proto::{ClusterStatsRequest, Hello, Up, up};
use crate::watch::info::Info;
use crate::watch::{EngineUpdate, LocalUpdate};
use lb_core::ids::NodeId;
use lb_core::overlay::{EventKind, LocalEvent};
use lb_core::report::{Counters, ServiceStats, Stats};
use lb_core::snapshot::{
    DesiredState, NodeState, Service, Sign, Snapshot, SwarmNode, Task, TaskState,
};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt;

const SOON: Duration = Duration::from_secs(10);
const MANAGERS: [&str; 2] = ["m1", "m2"];
const NODES: [&str; 4] = ["m1", "m2", "w1", "w2"];

/// One Swarm of up to four nodes, each with a loopback address; all agents have one port.
pub(super) struct Bench {
    pub(super) authority: Authority,
    pub(super) port: u16,
    network: u16,
    made: AtomicU64,
}

/// A running agent, and the hands that feed it.
pub(super) struct Agent {
    pub(super) feed: Feed,
    pub(super) address: Ipv4Addr,
    home: TempDir,
    id: String,
    engine: mpsc::Sender<EngineUpdate>,
    local: mpsc::Sender<LocalUpdate>,
    info: watch::Sender<Arc<Info>>,
}

/// An agent behind a wire that can be cut without anyone noticing.
pub(super) struct Frozen {
    pub(super) agent: Agent,
    cut: watch::Sender<bool>,
    _wire: JoinSet<()>,
}

/// What became of someone who came to a manager's door.
#[derive(Debug, Default)]
pub(super) struct Knock {
    pub(super) dial: Option<DialError>,
    pub(super) refusal: Option<String>,
    pub(super) admitted: bool,
}

impl Knock {
    pub(super) fn says(&self, words: &str) -> bool {
        self.refusal.as_ref().is_some_and(|r| r.contains(words))
    }
}

/// A view in which all of `tasks` run on w1.
pub(super) fn view(tasks: &[&str]) -> Snapshot {
    let mut snapshot = Snapshot {
        complete: true,
        ..Snapshot::default()
    };
    snapshot.services.insert("s".into(), Service::default());
    for id in NODES {
        let node = SwarmNode {
            hostname: format!("host-{id}"),
            address: None,
            state: NodeState::Ready,
            manager: MANAGERS.contains(&id),
            draining: false,
        };
        snapshot.nodes.insert(id.into(), node);
    }
    for id in tasks {
        let task = Task {
            service: "s".into(),
            node: "w1".into(),
            slot: 1,
            state: TaskState::Running,
            desired: DesiredState::Running,
            container: None,
            host_ports: Vec::new(),
            sign: Sign::Fine,
        };
        snapshot.tasks.insert((*id).into(), task);
    }
    snapshot
}

pub(super) fn event(task: &str, kind: EventKind) -> LocalEvent {
    LocalEvent {
        task: task.into(),
        kind,
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        static BENCHES: AtomicU16 = AtomicU16::new(1);
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let network = BENCHES.fetch_add(1, Ordering::Relaxed);
        Self {
            authority: Authority::new("cluster1"),
            port: free.local_addr().unwrap().port(),
            network,
            made: AtomicU64::new(0),
        }
    }

    /// 127.X.Y.n: X differs by process, Y by bench.
    fn address(&self, id: &str) -> Ipv4Addr {
        let [process, _] = u16::try_from(std::process::id() & 0xffff)
            .unwrap()
            .to_le_bytes();
        let [bench, _] = self.network.to_le_bytes();
        let host = NODES.iter().position(|node| *node == id).unwrap_or(100) + 1;
        Ipv4Addr::new(127, process.max(1), bench, u8::try_from(host).unwrap())
    }

    pub(super) async fn agent(&self, id: &str, role: Role) -> Agent {
        self.agent_with(id, role, matches!(role, Role::Manager))
            .await
    }

    /// Its certificate says `role`, its engine says `manager`.
    pub(super) async fn agent_with(&self, id: &str, role: Role, manager: bool) -> Agent {
        self.start(id, role, manager, self.address(id)).await
    }

    async fn start(&self, id: &str, role: Role, manager: bool, address: Ipv4Addr) -> Agent {
        let home = self.authority.node(id, role);
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let info = Info {
            id: id.into(),
            hostname: format!("host-{id}"),
            address: None,
            member: true,
            manager,
            managers: MANAGERS
                .iter()
                .filter(|other| **other != id)
                .map(|other| (NodeId::from(*other), self.address(other).to_string()))
                .collect(),
            sentence: None,
        };
        let (info, info_in) = watch::channel(Arc::new(info));
        let (engine, engine_in) = mpsc::channel(4);
        let (local, local_in) = mpsc::channel(4);
        let (standing_out, mut standing) = watch::channel(Standing::default());
        let mut tasks = JoinSet::new();
        let every = Duration::from_millis(20);
        tasks.spawn(certs::follow(home.path().to_owned(), every, standing_out));
        let read = standing.wait_for(|standing| standing.identity.is_some());
        read.await.unwrap();
        let sources = Sources {
            info: info_in,
            engine: engine_in,
            local: local_in,
            standing,
            nudge: Arc::new(Notify::new()),
        };
        let listener = listen(address.into(), self.port).await.unwrap();
        let stats = Arc::new(move || -> futures_util::future::BoxFuture<'static, Stats> {
            Box::pin(async move { traffic(number) })
        });
        Agent {
            feed: assemble(sources, listener, self.port, stats, tasks),
            address,
            home,
            id: id.to_owned(),
            engine,
            local,
            info,
        }
    }

    pub(super) async fn frozen_agent(&self, id: &str) -> Frozen {
        let public = self.address(id);
        let mut agent = self
            .start(id, Role::Manager, true, self.address("behind"))
            .await;
        let listener = TcpListener::bind((public, self.port)).await.unwrap();
        let (cut, is_cut) = watch::channel(false);
        let behind = (agent.address, self.port);
        let mut wire = JoinSet::new();
        wire.spawn(async move {
            let mut streams = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut is_cut = is_cut.clone();
                streams.spawn(async move {
                    let mut far = TcpStream::connect(behind).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = cut_off(&mut is_cut) => std::future::pending().await,
                    }
                });
            }
        });
        agent.address = public;
        Frozen {
            agent,
            cut,
            _wire: wire,
        }
    }

    /// Comes to `manager` with the certificates in `home`.
    pub(super) async fn knock(&self, home: &TempDir, manager: &Agent) -> Knock {
        let identity = certs::load(home.path()).unwrap();
        let standing = Standing {
            identity: Some(Arc::new(identity)),
            problem: None,
        };
        let (_out, standing) = watch::channel(standing);
        let host = manager.address.to_string();
        let mut client = match tls::dial(&standing, &host, self.port).await {
            Ok(client) => client,
            Err(error) => {
                return Knock {
                    dial: Some(error),
                    ..Knock::default()
                };
            }
        };
        let asked = client.cluster_stats(ClusterStatsRequest {}).await;
        let hello = up::Kind::Hello(Hello::default());
        let said = tokio_stream::iter([Up { kind: Some(hello) }]).chain(tokio_stream::pending());
        match client.session(said).await {
            Ok(_) => Knock {
                admitted: asked.is_ok(),
                ..Knock::default()
            },
            Err(status) => {
                assert!(asked.is_err(), "both calls are guarded");
                Knock {
                    refusal: Some(status.message().to_owned()),
                    ..Knock::default()
                }
            }
        }
    }

    /// Whether `manager` hangs up on someone without a certificate.
    pub(super) async fn knock_without_certificate(&self, manager: &Agent) -> bool {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        let mut roots = rustls::RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.root().as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect((manager.address, self.port))
            .await
            .unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = "swarm-manager".try_into().unwrap();
        let Ok(mut tls) = connector.connect(name, tcp).await else {
            return true;
        };
        let _ = tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        tls.read(&mut [0; 1]).await.is_err()
    }
}

async fn cut_off(cut: &mut watch::Receiver<bool>) {
    let _ = cut.wait_for(|cut| *cut).await;
}

fn traffic(new: u64) -> Stats {
    let total = Counters {
        new,
        ..Counters::default()
    };
    Stats {
        scope: "node".into(),
        missing: Vec::new(),
        services: vec![ServiceStats {
            id: "s".into(),
            total,
            ..ServiceStats::default()
        }],
    }
}

impl Agent {
    pub(super) async fn engine(&self, view: Snapshot) {
        self.engine.send(EngineUpdate::View(view)).await.unwrap();
    }

    pub(super) async fn trouble(&self) {
        let trouble = EngineUpdate::Trouble("no leader".into());
        self.engine.send(trouble).await.unwrap();
    }

    pub(super) async fn local(&self, event: LocalEvent) {
        self.local.send(LocalUpdate::Event(event)).await.unwrap();
    }

    pub(super) async fn until(&mut self, holds: impl Fn(&Snapshot) -> bool) {
        let seen = self.feed.snapshot.wait_for(|snapshot| holds(snapshot));
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    pub(super) async fn sees(&mut self, task: &str, sign: Sign) {
        let task = task.into();
        self.until(|s| s.tasks.get(&task).is_some_and(|task| task.sign == sign))
            .await;
    }

    pub(super) async fn has_agents(&self, count: usize) {
        let mut agents = self.feed.agents.clone();
        let seen = agents.wait_for(|agents| agents.len() == count);
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    pub(super) async fn connected(&self) {
        let mut source = self.feed.source.clone();
        let seen = source.wait_for(|source| source.connected);
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    pub(super) async fn source_is(&self, address: Ipv4Addr) {
        let mut source = self.feed.source.clone();
        let name = format!("{address}:");
        let seen = source.wait_for(|s| s.connected && s.name.starts_with(&name));
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    pub(super) async fn has_trouble(&self, words: &str) {
        let mut source = self.feed.source.clone();
        let says = |sentence: &String| sentence.contains(words);
        let seen = source.wait_for(|s| s.sentence.as_ref().is_some_and(says));
        timeout(SOON, seen).await.expect("in time").unwrap();
    }

    /// As the engine does it: a new certificate, and `/info` says so.
    pub(super) async fn promote(&self, authority: &Authority) {
        authority.write(self.home(), &self.id, Role::Manager);
        self.info.send_modify(|info| {
            let promoted = Info {
                manager: true,
                ..Info::clone(info)
            };
            *info = Arc::new(promoted);
        });
    }

    fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Frozen {
    /// From now on nothing passes, and nobody is told.
    pub(super) fn freeze(&self) {
        self.cut.send_replace(true);
    }
}
