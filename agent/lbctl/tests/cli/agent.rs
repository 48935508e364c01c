//! A socket server with a fixed Swarm behind it, and ways to run `lbctl` against it.

use agent::serve::{self, Source, Unanswered};
use futures_util::future::BoxFuture;
use lb_core::ids::{Key, NodeId, TaskId};
use lb_core::node::Node;
use lb_core::report::{
    Check, Counters, HookReport, Nodes, Problem, Scope, Services, Stats, Status,
};
use lb_core::snapshot::{
    DesiredState, NodeState, Proto, PublishMode, PublishedPort, Service, Sign, Snapshot, SwarmNode,
    Task, TaskState,
};
use lb_core::tell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// What the server answers from. Tests change it while it runs.
pub(crate) struct Swarm {
    pub(crate) snapshot: Snapshot,
    pub(crate) status: Status,
    pub(crate) check: Check,
    pub(crate) missing: BTreeSet<NodeId>,
    /// Counters of each task, made anew for each question.
    pub(crate) counters: Box<dyn FnMut(&str) -> Counters + Send>,
}

impl Swarm {
    pub(crate) fn stats(&mut self, scope: Scope) -> Stats {
        let this = Node {
            id: "n1".into(),
            tasks: BTreeMap::from([(TaskId::from("t1"), Ipv4Addr::new(172, 18, 0, 3))]),
            ..Node::default()
        };
        let tasks = self.snapshot.tasks.keys();
        let tasks = tasks
            .map(|id| (Key::from(id), (self.counters)(&id.0)))
            .collect();
        let retired = BTreeMap::from([(Key::of("s1"), traffic(100))]);
        tell::stats(
            &self.snapshot,
            &this,
            scope,
            &tasks,
            &retired,
            &self.missing,
        )
    }
}

pub(crate) struct Shared(pub(crate) Mutex<Option<Swarm>>);

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut Swarm) -> T) -> Result<T, Unanswered> {
        let mut swarm = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = || Unanswered::NothingKnown {
            why: "waiting for a manager".to_owned(),
        };
        swarm.as_mut().map(f).ok_or_else(nothing)
    }
}

impl Source for Shared {
    fn status(&self) -> Status {
        self.with(|swarm| swarm.status.clone()).unwrap()
    }
    fn services(&self) -> Result<Services, Unanswered> {
        self.with(|swarm| tell::services(&swarm.snapshot))
    }
    fn nodes(&self) -> Result<Nodes, Unanswered> {
        let connected = BTreeSet::from([NodeId::from("n2")]);
        self.with(|swarm| tell::nodes(&swarm.snapshot, &"n1".into(), Some(&connected)))
    }
    fn check(&self) -> Result<Check, Unanswered> {
        self.with(|swarm| swarm.check.clone())
    }
    fn stats(&self, scope: Scope) -> BoxFuture<'_, Result<Stats, Unanswered>> {
        Box::pin(async move { self.with(|swarm| swarm.stats(scope)) })
    }
}

/// A server on a thread of its own, in a directory of its own. Both go when it does.
pub(crate) struct Agent {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) socket: PathBuf,
    pub(crate) source: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut agent = Self {
            socket: directory.path().join("run/agent.sock"),
            directory,
            source: Arc::new(Shared(Mutex::new(Some(swarm())))),
            stop: None,
            thread: None,
        };
        agent.serve();
        agent
    }

    /// Serves (again), from the moment this returns.
    pub(crate) fn serve(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (path, shared) = (self.socket.clone(), Arc::clone(&self.source));
        self.thread = Some(std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = serve::bind(&path).await.unwrap();
                ready.send(()).unwrap();
                let stop = async { drop(stopped.await) };
                listener.serve(shared, stop).await;
            });
        }));
        self.stop = Some(stop);
        is_ready.recv().unwrap();
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Swarm)) {
        self.source.with(change).unwrap();
    }

    pub(crate) fn lbctl(&self, arguments: &[&str]) -> Ran {
        lbctl(&self.socket, arguments)
    }

    /// Stops it and waits until it is gone.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// What a run of `lbctl` left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn command(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    command.env("SWARMLB_SOCKET", socket);
    command
}

pub(crate) fn lbctl(socket: &Path, arguments: &[&str]) -> Ran {
    command(socket).args(arguments).output().unwrap().into()
}

/// Traffic of `new` connections: every number another, so that none can be mistaken.
pub(crate) fn traffic(new: u64) -> Counters {
    Counters {
        new,
        active: new / 10,
        packets_in: new * 60,
        bytes_in: new * 4_321,
        packets_out: new * 50,
        bytes_out: new * 654_321,
    }
}

fn swarm() -> Swarm {
    let mut snapshot = Snapshot {
        complete: true,
        ..Snapshot::default()
    };
    for (id, hostname, last) in [("n1", "alpha", 1), ("n2", "beta", 2), ("n3", "gamma", 3)] {
        let node = SwarmNode {
            hostname: hostname.into(),
            address: Some(Ipv4Addr::new(192, 0, 2, last)),
            state: NodeState::Ready,
            manager: last == 1,
            draining: last == 3,
        };
        snapshot.nodes.insert(id.into(), node);
    }
    let port = |proto, published, target| PublishedPort {
        proto,
        published,
        target,
        mode: PublishMode::Ingress,
    };
    let vote = vec![port(Proto::Tcp, 8080, 80), port(Proto::Udp, 8080, 8000)];
    for (id, name, ports) in [
        ("s1", "shop_vote", vote),
        ("s2", "probe", vec![port(Proto::Tcp, 30000, 9100)]),
        ("s3", "shop_db", vec![]),
    ] {
        let service = Service {
            name: name.into(),
            ports,
            ..Service::default()
        };
        snapshot.services.insert(id.into(), service);
    }
    for (id, service, node, slot) in [
        ("t1", "s1", "n1", 1),
        ("t2", "s1", "n2", 2),
        ("t3", "s1", "n3", 3),
        ("t4", "s2", "n2", 0),
        ("t5", "s3", "n1", 1),
    ] {
        let task = Task {
            service: service.into(),
            node: node.into(),
            slot,
            state: TaskState::Running,
            desired: DesiredState::Running,
            container: None,
            host_ports: Vec::new(),
            sign: if id == "t3" {
                Sign::Stopping
            } else {
                Sign::Fine
            },
        };
        snapshot.tasks.insert(id.into(), task);
    }
    let hook = |link: &str, hook: &str, mode: &str| HookReport {
        link: link.into(),
        hook: hook.into(),
        mode: mode.into(),
    };
    Swarm {
        status: Status {
            version: "0.1.0".into(),
            datapath: "ebpf".into(),
            node: "n1".into(),
            hostname: "alpha".into(),
            address: Some(Ipv4Addr::new(192, 0, 2, 1)),
            hooks: vec![
                hook("eth0", "xdp", "native"),
                hook("docker_gwbridge", "tc-ingress", "tcx"),
            ],
            source: "docker".into(),
            connected: true,
            in_sync: true,
            services: 2,
            tasks: 3,
            problems: 0,
            uptime_s: 7_800,
        },
        snapshot,
        check: Check::default(),
        missing: BTreeSet::new(),
        counters: Box::new(|id| match id {
            "t1" => traffic(10),
            "t2" => traffic(1_234),
            "t3" => traffic(7),
            _ => Counters::default(),
        }),
    }
}

pub(crate) fn problem(object: &str, sentence: &str) -> Problem {
    Problem {
        object: object.into(),
        sentence: sentence.into(),
    }
}
