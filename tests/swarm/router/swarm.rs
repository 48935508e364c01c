//! A Swarm of its own with the router on every node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::agents::{STACK, by_mesh};
use harness::certificate::self_signed;
use harness::node::Node;
use harness::shared::{self, MachineLock, TestSwarm};
use harness::wait;
use serde_json::Value;

use crate::LAB;

const FILES: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/stack.yml"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/router.yml"),
];
/// The routers' service.
pub(super) const SERVICE: &str = "lb_router";
/// Three routers start, one after the other.
const START: Duration = Duration::from_secs(90);

/// Three nodes, with an agent and a router on each.
pub(super) struct Routed {
    pub(super) test: TestSwarm,
    _machine: MachineLock,
}

impl Routed {
    /// Brings them up; `None` where tests cannot run. Nobody else uses this machine meanwhile.
    pub(super) fn up(suite: &str) -> Option<Self> {
        if !shared::is_root() || by_mesh() {
            return None;
        }
        let machine = shared::alone();
        let test = TestSwarm::up(Path::new(LAB), suite, 3).unwrap();
        let swarm = &test.swarm;
        swarm.load_agent().unwrap();
        swarm
            .stack_deploy_files(&FILES.map(Path::new), STACK)
            .unwrap();
        swarm.wait_for_agents().unwrap();
        let routed = Self {
            test,
            _machine: machine,
        };
        routed.wait_for_routers();
        Some(routed)
    }

    /// Port 80 of each node.
    pub(super) fn everywhere(&self) -> Vec<SocketAddr> {
        let nodes = self.test.swarm.nodes.iter();
        nodes.map(|node| (node.addr, 80).into()).collect()
    }

    /// Waits until a router answers on every node.
    pub(super) fn wait_for_routers(&self) {
        for peer in self.everywhere() {
            wait::until(&format!("a router at {peer}"), START, || {
                Ok(self
                    .test
                    .swarm
                    .client
                    .get(peer, "/", Duration::from_secs(1))
                    .ok())
            })
            .unwrap();
        }
    }

    /// Gives the routers a certificate for these names, as a Docker secret; the file of the certificate.
    pub(super) fn certificates(&self, names: &[&str]) -> PathBuf {
        let certificate = self.secrets("web", names);
        self.update(&["--secret-add", "web.crt", "--secret-add", "web.key"]);
        certificate
    }

    /// Gives the routers the secrets `NAME.crt` and `NAME.key` in place of those of [`Self::certificates`], in the same
    /// files.
    pub(super) fn replace_certificates(&self, name: &str) {
        let [certificate, key] =
            ["crt", "key"].map(|end| format!("source={name}.{end},target=web.{end}"));
        self.update(&[
            "--secret-rm",
            "web.crt",
            "--secret-rm",
            "web.key",
            "--secret-add",
            &certificate,
            "--secret-add",
            &key,
        ]);
    }

    /// Makes a certificate for these names, and the secrets `NAME.crt` and `NAME.key`; the file of the certificate.
    pub(super) fn secrets(&self, name: &str, names: &[&str]) -> PathBuf {
        let dir = self.test.swarm.dir();
        let [certificate, key] = self_signed(dir, name, names).unwrap();
        let manager = self.test.swarm.manager().unwrap();
        for (end, file) in [("crt", &certificate), ("key", &key)] {
            let (secret, file) = (format!("{name}.{end}"), file.to_str().unwrap());
            manager
                .docker(&["secret", "create", &secret, file])
                .unwrap();
        }
        certificate
    }

    /// `docker service update options…` of the routers; returns when the Swarm calls the update complete.
    pub(super) fn update(&self, options: &[&str]) {
        let update = ["service", "update", "--detach", "--no-resolve-image"];
        let manager = self.test.swarm.manager().unwrap();
        manager
            .docker(&[&update[..], options, &[SERVICE]].concat())
            .unwrap();
        self.wait_for_update();
    }

    /// Waits until the Swarm calls the update of the routers complete.
    pub(super) fn wait_for_update(&self) {
        wait::until("the end of the routers' update", START, || {
            let service = self
                .test
                .swarm
                .manager()?
                .api(&format!("/services/{SERVICE}"))?;
            let state = service.pointer("/UpdateStatus/State");
            ensure!(state.is_none_or(|state| state != "paused"), "{service}");
            Ok(state.filter(|state| *state == "completed").map(|_| ()))
        })
        .unwrap();
    }

    /// The routers have no capability, and see neither the engine's socket nor BPF's file system.
    pub(super) fn assert_unprivileged(&self) {
        for node in &self.test.swarm.nodes {
            for process in processes(node).unwrap() {
                let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
                let has = |line: &str| status.lines().any(|it| it == line);
                for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                    assert!(has(&format!("{set}:\t0000000000000000")), "{status}");
                }
                assert!(has("Uid:\t60081\t60081\t60081\t60081"), "{status}");
                assert!(has("NoNewPrivs:\t1"), "{status}");
                let mounts = std::fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap();
                assert!(
                    !mounts.contains("docker.sock") && !mounts.contains("bpf"),
                    "{mounts}"
                );
                let root = format!("/proc/{process}/root");
                for path in [
                    "run/docker.sock",
                    "var/run/docker.sock",
                    "sys/fs/bpf/swarmlb",
                ] {
                    assert!(!Path::new(&root).join(path).exists(), "{path}");
                }
            }
        }
    }
}

/// The routers of a node, as process ids of this machine; at least one.
pub(super) fn processes(node: &Node) -> Result<Vec<u32>> {
    let filter = format!("label=com.docker.swarm.service.name={SERVICE}");
    let containers = node.docker(&["ps", "--quiet", "--filter", &filter])?;
    let mut processes = Vec::new();
    for container in containers.split_whitespace() {
        let state = node.docker(&["inspect", "--format", "{{json .State}}", container])?;
        let state: Value = serde_json::from_str(&state)?;
        let process = state.get("Pid").and_then(Value::as_u64).context("no Pid")?;
        processes.push(u32::try_from(process)?);
    }
    ensure!(!processes.is_empty(), "no router runs on {}", node.name);
    Ok(processes)
}
