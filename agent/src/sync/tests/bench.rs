//! Agents on loopback addresses.

mod agent;
mod connect;

pub(super) use agent::Agent;

use crate::certs::testing::{Authority, Role};
use crate::certs::{self, CertificateState};
use crate::sync::LocalStats;
use crate::sync::announcer::Announcer;
use crate::sync::assemble::{Sources, assemble};
use crate::sync::own_report::OwnDatapath;
use crate::watch::LocalUpdate;
use crate::watch::docker::Docker;
use crate::watch::engine_restart::EngineRestart;
use crate::watch::info::Info;
use lb_core::model::ids::NodeId;
use lb_core::model::snapshot::{Service, Snapshot, SwarmNode};
use lb_core::report::{Counters, ServiceStats, Stats};
use lb_core::testing::{SnapshotBuilder, member};
use lb_core::view::overlay::{EventKind, LocalEvent};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

const MANAGERS: [&str; 2] = ["m1", "m2"];
const NODES: [&str; 4] = ["m1", "m2", "w1", "w2"];

/// One Swarm of up to four nodes, each with a loopback address; all agents have one port.
pub(super) struct Bench {
    pub(super) authority: Authority,
    pub(super) port: u16,
    network: u16,
    made: AtomicU64,
}

/// An agent behind a wire that can be cut without anyone noticing.
pub(super) struct Frozen {
    pub(super) agent: Agent,
    cut: watch::Sender<bool>,
    _wire: JoinSet<()>,
}

/// A view in which all of `tasks` run on w1.
pub(super) fn view(tasks: &[&str]) -> Snapshot {
    let mut view = SnapshotBuilder::new().service("s", Service::default());
    for id in NODES {
        let node = SwarmNode {
            manager: MANAGERS.contains(&id),
            ..member(&format!("host-{id}"), None)
        };
        view = view.node(id, node);
    }
    let tasks = tasks.iter().map(|id| (*id, "w1"));
    view.tasks("s", tasks).build()
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

    /// An agent whose certificate is for `role`, and whose engine is that of a `manager` or not.
    pub(super) async fn agent_with(&self, id: &str, role: Role, manager: bool) -> Agent {
        self.start(id, role, manager, self.address(id)).await
    }

    /// An agent with the certificate of `id`, which `authority` gave, at the address of `place`.
    pub(super) async fn impostor(&self, authority: &Authority, id: &str, place: &str) -> Agent {
        let address = self.address(place);
        let home = authority.node(id, Role::Manager);
        self.start_with(home, id, true, address).await
    }

    async fn start(&self, id: &str, role: Role, manager: bool, address: Ipv4Addr) -> Agent {
        let home = self.authority.node(id, role);
        self.start_with(home, id, manager, address).await
    }

    async fn start_with(&self, home: TempDir, id: &str, manager: bool, address: Ipv4Addr) -> Agent {
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
            message: None,
        };
        let (info, info_in) = watch::channel(Arc::new(info));
        let (engine, engine_in) = mpsc::channel(4);
        let (local, local_in) = mpsc::channel(4);
        let (certificate_out, mut certificate) = watch::channel(CertificateState::default());
        let mut tasks = JoinSet::new();
        let every = Duration::from_millis(20);
        tasks.spawn(certs::follow(
            home.path().to_owned(),
            every,
            certificate_out,
        ));
        let read = certificate.wait_for(|certificate| certificate.identity.is_some());
        read.await.unwrap();
        let counters: LocalStats = Arc::new(move || Box::pin(async move { Some(traffic(number)) }));
        let (local_stats, local_stats_in) = watch::channel(Some(counters));
        let (own_datapath, own_datapath_in) = watch::channel(OwnDatapath::default());
        let sources = Sources {
            info: info_in,
            engine: engine_in,
            local: local_in,
            certificate,
            own_datapath: own_datapath_in,
            local_stats: local_stats_in,
        };
        let resync = Arc::new(Notify::new());
        let cluster = assemble(sources, resync, address.into(), self.port, tasks);
        let announcer = Announcer {
            own_datapath,
            held: watch::Sender::default(),
            engine_restart: engine_restart(&home, local.clone()).await,
            local: cluster.local.clone(),
        };
        let agent = Agent {
            cluster,
            announcer,
            address,
            home,
            id: id.to_owned(),
            engine,
            local,
            info,
            local_stats,
        };
        // Its acceptor opens by itself, a moment later.
        while manager && TcpStream::connect((address, self.port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        agent
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
}

/// The detector for an engine with a socket in `home`, whose event stream is open.
async fn engine_restart(home: &TempDir, local: mpsc::Sender<LocalUpdate>) -> EngineRestart {
    let socket = home.path().join("docker.sock");
    drop(UnixListener::bind(&socket).unwrap());
    EngineRestart {
        docker: Docker::open(&socket).await.unwrap(),
        lost: watch::channel(false).1,
        local,
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
        http: None,
    }
}

impl Frozen {
    /// From now on nothing passes, and neither side is notified.
    pub(super) fn freeze(&self) {
        self.cut.send_replace(true);
    }
}
