//! Measures a large Swarm on one node: `scale [SERVICES [TASKS [NODES]]]`, as root, built with
//! `--release`.
//!
//! A view of so many services, each with so many tasks, goes into the maps of a real kernel;
//! then one task after another stops and others take their place, and each time it is measured what
//! the agent does about it. All of it lives in namespaces of its own, which end with this program.
//! One line per figure on stdout: name, value, unit.

#![expect(clippy::print_stdout, reason = "speaks to whoever typed the command")]

use agent::kernel::bpf::BpfKernel;
use anyhow::{Context, Result, ensure};
use lb_core::backend::ebpf::{Ebpf, HookKind, Op, State};
use lb_core::backend::{Backend as _, Operation as _, Prune, execute};
use lb_core::desired::Incremental;
use lb_core::kernel::Kernel as _;
use lb_core::model::config::Config;
use lb_core::model::ids::{NodeId, ServiceId, TaskId};
use lb_core::model::node::{Link, Node, TaskAddress};
use lb_core::model::port_list::PortList;
use lb_core::model::snapshot::{
    DesiredState, LocalHealth, NodeState, Proto, PublishMode, PublishedPort, Service, Snapshot,
    SwarmNode, Task, TaskState,
};
use lb_core::table_sizes::SizedBy;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Instant;

/// How many tasks change, one after the other.
const CHANGES: usize = 20;

fn main() -> Result<()> {
    let mut sizes = std::env::args().skip(1).map(|size| size.parse::<u16>());
    let mut size = |default| sizes.next().unwrap_or(Ok(default));
    let (services, tasks, nodes) = (size(10_000)?, size(10)?, size(1_000)?);

    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
        .context("namespaces need root: run it as root")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none)?;
    let directory = tempfile::tempdir()?;
    mount(
        Some("bpf"),
        directory.path(),
        Some("bpf"),
        MsFlags::empty(),
        none,
    )?;
    let done = measure(directory.path(), services, tasks, nodes);
    umount2(directory.path(), MntFlags::MNT_DETACH)?;
    done
}

fn measure(bpffs: &Path, services: u16, tasks: u16, nodes: u16) -> Result<()> {
    let mut kernel = BpfKernel::load(bpffs, None, SizedBy::default())?;
    say("rss_programs_loaded", resident()?, "KiB");
    say("maps_empty", maps()?, "KiB");
    let mut snapshot = swarm(services, tasks, nodes);
    say("rss_with_view", resident()?, "KiB");
    let mut agent = Agent {
        have: kernel.observe()?,
        kernel,
        node: node(tasks),
        wanted: None,
        backend: Ebpf::default(),
    };
    agent.turn("first", &snapshot)?;
    say("rss_after_first_turn", resident()?, "KiB");
    say("maps_full", maps()?, "KiB");

    // Those on this node have addresses that are known; the rest is on others.
    let elsewhere = |(id, task): (&TaskId, &Task)| (task.node != agent.node.id).then(|| id.clone());
    let tasks = snapshot.tasks.iter().filter_map(elsewhere);
    let stopped: Vec<TaskId> = tasks.step_by(997).take(CHANGES).collect();
    for (n, id) in stopped.into_iter().enumerate() {
        let Some(task) = snapshot.tasks.get_mut(&id) else {
            continue;
        };
        task.desired = DesiredState::Ended;
        task.health = LocalHealth::Stopping;
        agent.turn("stopping", &snapshot)?;
        let task = snapshot.tasks.remove(&id).context("it is there")?;
        agent.turn("gone", &snapshot)?;
        let task = Task {
            desired: DesiredState::Running,
            health: LocalHealth::Ok,
            ..task
        };
        snapshot.tasks.insert(id25("new", n).as_str().into(), task);
        agent.turn("new", &snapshot)?;
    }
    let seen = Instant::now();
    let observed = agent.kernel.observe()?;
    say("observe", millis(seen), "ms");
    ensure!(observed == agent.have, "the kernel holds something else");
    say("rss_at_the_end", resident()?, "KiB");
    Ok(())
}

/// What an agent holds between two turns.
struct Agent {
    kernel: BpfKernel,
    node: Node,
    have: State,
    wanted: Option<Incremental>,
    backend: Ebpf,
}

impl Agent {
    /// What `agent/src/run/reconcile.rs` and `lb_core::backend::Applier` do, step by step.
    fn turn(&mut self, what: &str, snapshot: &Snapshot) -> Result<()> {
        let config = Config::default();
        let begin = Instant::now();
        let node = Node {
            serving: self.backend.serving(&self.have),
            ..self.node.clone()
        };
        let wanted = match self.wanted.take() {
            Some(wanted) => wanted.update(snapshot, &node, &config),
            None => Incremental::full(snapshot, &node, &config),
        };
        say(&format!("{what}_desired"), millis(begin), "ms");
        let lowered = Instant::now();
        self.backend.lower(&wanted.desired, &self.have);
        say(&format!("{what}_lower"), millis(lowered), "ms");
        let problems = wanted.problems();
        ensure!(problems.is_empty(), "{:?}", problems.first());
        let planned = Instant::now();
        let ops = Ebpf::plan(self.backend.want(), &self.have, Prune::Allowed);
        say(&format!("{what}_plan"), millis(planned), "ms");
        let applied = Instant::now();
        let errors = execute(&mut self.kernel, &ops);
        say(&format!("{what}_apply"), millis(applied), "ms");
        // The loopback has no native XDP.
        let xdp = |op: &Op| matches!(op, Op::Attach(hook) if hook.kind == HookKind::UplinkXdp);
        if let Some(error) = errors.iter().find(|error| !xdp(&error.op)) {
            anyhow::bail!("{}: {}", error.op, error.source);
        }
        let noted = Instant::now();
        for op in ops.iter().filter(|op| !xdp(op)) {
            op.apply_to(&mut self.have);
        }
        self.backend.share(&mut self.have);
        self.wanted = Some(wanted);
        say(&format!("{what}_note"), millis(noted), "ms");
        say(&format!("{what}_turn"), millis(begin), "ms");
        say(&format!("{what}_steps"), ops.len(), "");
        Ok(())
    }
}

fn id25(kind: &str, n: usize) -> String {
    format!("{n:x}{kind}qwertzuiopasdfghjklyxcvbnm")
        .chars()
        .take(25)
        .collect()
}

/// The first node of the Swarm, whose uplink is the loopback.
fn node(tasks: u16) -> Node {
    let address = |n: u16| Ipv4Addr::from(0xac12_0002 + u32::from(n));
    let own = (0..tasks).map(|n| {
        let task = TaskId::from(id25("task", usize::from(n)).as_str());
        (task, TaskAddress::gateway(address(n)))
    });
    Node {
        id: NodeId::from(id25("node", 0).as_str()),
        address: Some(Ipv4Addr::new(10, 0, 0, 1)),
        uplink: Some(Link {
            name: "lo".to_owned(),
            index: 1,
            mtu: 1500,
            mac: [2, 0, 0, 0, 0, 1],
            xdp: true,
        }),
        addresses: [Ipv4Addr::new(10, 0, 0, 1)].into(),
        tasks: own.collect(),
        ..Node::default()
    }
}

fn swarm(services: u16, tasks: u16, nodes: u16) -> Snapshot {
    let mut snapshot = Snapshot {
        complete: true,
        ..Snapshot::default()
    };
    let members: Vec<NodeId> = (0..nodes).map(|n| id25("node", n.into()).into()).collect();
    for (n, id) in (0_u32..).zip(&members) {
        let node = SwarmNode {
            hostname: format!("node{n}.example"),
            address: Some(Ipv4Addr::from(0x0a00_0001 + n)),
            state: NodeState::Ready,
            manager: n < 3,
            draining: false,
            datapath: None,
            token_keys: None,
        };
        snapshot.nodes.insert(id.clone(), node);
    }
    for n in 0..services {
        let port = PublishedPort {
            proto: Proto::Tcp,
            published: 10_000 + n,
            target: 8080,
            mode: PublishMode::Ingress,
        };
        let service = Service {
            name: format!("stack_service{n}"),
            labels: [("com.docker.stack.namespace".to_owned(), "stack".to_owned())]
                .into_iter()
                .collect(),
            ports: vec![port],
            removed: false,
            created: 0,
        };
        let id = ServiceId::from(id25("service", n.into()).as_str());
        for slot in 0..tasks {
            let number = usize::from(n) * usize::from(tasks) + usize::from(slot);
            // Those of the first service are on this node.
            let home = if n == 0 {
                0
            } else {
                1 + number % (usize::from(nodes) - 1)
            };
            let task = Task {
                service: id.clone(),
                // Ids of services and nodes are shared, as in the view store.
                node: members.get(home).cloned().unwrap_or_default(),
                slot: u64::from(slot) + 1,
                state: TaskState::Running,
                desired: DesiredState::Running,
                host_ports: PortList::default(),
                targets: PortList::default(),
                health: LocalHealth::Ok,
            };
            snapshot
                .tasks
                .insert(id25("task", number).as_str().into(), task);
        }
        snapshot.services.insert(id, service);
    }
    snapshot
}

fn millis(since: Instant) -> String {
    format!("{:.3}", since.elapsed().as_secs_f64() * 1000.0)
}

fn say(name: &str, value: impl std::fmt::Display, unit: &str) {
    println!("{name} {value} {unit}");
}

/// `VmRSS` of this process, in KiB.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    field(&status, "VmRSS:").context("no VmRSS")
}

/// Kernel memory of the maps that this process has open, in KiB.
fn maps() -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir("/proc/self/fdinfo")? {
        let text = std::fs::read_to_string(entry?.path()).unwrap_or_default();
        if text.contains("map_type:") {
            bytes += field(&text, "memlock:").unwrap_or_default();
        }
    }
    Ok(bytes / 1024)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
