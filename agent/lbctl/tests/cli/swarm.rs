//! The Swarm behind the tests' server: three nodes, three services, five tasks.

use lb_abi::counters::Reason;
use lb_core::desired::Incremental;
use lb_core::explain::{
    ClientQuery, FrontendQuery, QuestionError, RequestQuery, Routed, explain, explain_request,
};
use lb_core::model::config::Config;
use lb_core::model::ids::{Key, NodeId, TaskId};
use lb_core::model::node::Node;
use lb_core::model::snapshot::{LocalHealth, Proto, Snapshot, SwarmNode, Task};
use lb_core::report::build::{self, FlowFilter, FlowTable};
use lb_core::report::{
    Check, Counters, Explanation, Flows, HookReport, HttpStats, Problem, RequestExplanation,
    RouterCertificate, Routes, Scope, Stats, Status,
};
use lb_core::testing::{SnapshotBuilder, link, member, port, service, task};
use lb_datapath::model::Memory;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What the server answers from. Tests change it while it runs.
pub(crate) struct Swarm {
    pub(crate) snapshot: Snapshot,
    pub(crate) status: Status,
    pub(crate) check: Check,
    /// `None`: the router is off.
    pub(crate) routes: Option<Routes>,
    pub(crate) http: Option<HttpStats>,
    /// As a router has told of them.
    pub(crate) certificates: Option<Vec<RouterCertificate>>,
    pub(crate) missing: BTreeSet<NodeId>,
    pub(crate) drops: BTreeMap<Reason, u64>,
    pub(crate) flows: FlowTable,
    pub(crate) withdrawn: build::Withdrawn,
    pub(crate) memory: Memory,
    /// Counters of each task, made anew for each question.
    pub(crate) counters: Box<dyn FnMut(&str) -> Counters + Send>,
}

impl Swarm {
    pub(crate) fn stats(&mut self, scope: Scope) -> Stats {
        let tasks = self.snapshot.tasks.keys();
        let tasks = tasks
            .map(|id| (Key::from(id), (self.counters)(id.as_str())))
            .collect();
        let retired = BTreeMap::from([(Key::of("s1"), traffic(100))]);
        let mut stats = build::stats(
            &self.snapshot,
            &this(),
            scope,
            &tasks,
            &retired,
            &self.missing,
        );
        stats.http = self.http.clone();
        stats
    }

    pub(crate) fn flows(&self, asked: &FlowFilter) -> Flows {
        build::flows(&self.snapshot, &this(), &self.flows, asked)
    }

    pub(crate) fn explain(
        &self,
        client: ClientQuery,
        frontend: FrontendQuery,
    ) -> Result<Explanation, QuestionError> {
        let question = frontend.resolve(client, &self.snapshot, &this())?;
        Ok(explain(&self.snapshot, &this(), &self.memory, &question))
    }

    pub(crate) fn request(&self, query: &RequestQuery) -> RequestExplanation {
        let config = Config {
            router: true,
            ..Config::default()
        };
        let node = Node {
            uplink: Some(link("eth0", 2)),
            ..this()
        };
        let incremental = Incremental::full(&self.snapshot, &node, &config);
        let routed = Routed {
            snapshot: &self.snapshot,
            declarations: incremental.declarations(),
            services: &incremental.desired.routed,
            addresses: &lb_core::backend::TaskAddresses::ByKey,
            certificates: self.certificates.as_deref(),
            // 2026-12-01.
            now_s: 1_796_083_200,
        };
        explain_request(&routed, query)
    }
}

/// Node n1, on which the agent runs.
pub(crate) fn this() -> Node {
    Node {
        id: "n1".into(),
        address: Some(Ipv4Addr::new(192, 0, 2, 1)),
        tasks: BTreeMap::from([(
            TaskId::from("t1"),
            lb_core::model::node::TaskAddress::gateway(Ipv4Addr::new(172, 18, 0, 3)),
        )]),
        ..Node::default()
    }
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

pub(crate) fn swarm() -> Swarm {
    let mut view = SnapshotBuilder::new();
    for (id, hostname, last) in [("n1", "alpha", 1), ("n2", "beta", 2), ("n3", "gamma", 3)] {
        let node = SwarmNode {
            manager: last == 1,
            draining: last == 3,
            ..member(hostname, Some(Ipv4Addr::new(192, 0, 2, last)))
        };
        view = view.node(id, node);
    }
    let vote = vec![port(Proto::Tcp, 8080, 80), port(Proto::Udp, 8080, 8000)];
    for (id, name, ports) in [
        ("s1", "shop_vote", vote),
        ("s2", "probe", vec![port(Proto::Tcp, 30000, 9100)]),
        ("s3", "shop_db", vec![]),
    ] {
        view = view.service(id, service(name, ports));
    }
    for (id, service, node, slot) in [
        ("t1", "s1", "n1", 1),
        ("t2", "s1", "n2", 2),
        ("t3", "s1", "n3", 3),
        ("t4", "s2", "n2", 0),
        ("t5", "s3", "n1", 1),
    ] {
        let task = Task {
            slot,
            health: if id == "t3" {
                LocalHealth::Stopping
            } else {
                LocalHealth::Ok
            },
            ..task(service, node)
        };
        view = view.task(id, task);
    }
    let snapshot = view.build();
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
            router: None,
            tables: Vec::new(),
            map_memory: None,
            uptime_s: 7_800,
        },
        snapshot,
        check: Check::default(),
        routes: None,
        http: None,
        certificates: None,
        missing: BTreeSet::new(),
        drops: BTreeMap::new(),
        flows: FlowTable::default(),
        withdrawn: build::Withdrawn::default(),
        memory: Memory::default(),
        counters: Box::new(|id| match id {
            "t1" => traffic(10),
            "t2" => traffic(1_234),
            "t3" => traffic(7),
            _ => Counters::default(),
        }),
    }
}

pub(crate) fn problem(object: &str, message: &str) -> Problem {
    Problem {
        object: object.into(),
        message: message.into(),
    }
}
