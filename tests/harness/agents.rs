//! swarmlb on the laboratory's Swarm, deployed as its operator would.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::node::Node;
use crate::swarm::Swarm;
use crate::{fresh, shell, slow, wait};

/// Name of the stack.
pub const STACK: &str = "lb";
/// The agents' service.
pub const SERVICE: &str = "lb_agent";
/// The service of what asks the engines for them.
pub const FILTER: &str = "lb_engine";
/// Where an agent keeps what outlives it.
pub const PINS: &str = "/sys/fs/bpf/swarmlb";

/// Do the agents that are deployed serve by IPVS? (`$SWARMLB_DATAPATH`, which stack.yml reads.)
#[must_use]
pub fn by_ipvs() -> bool {
    by("ipvs")
}

/// Is there no agent, and who answers is the stock mesh? For what it does in the same scenarios.
#[must_use]
pub fn by_mesh() -> bool {
    by("mesh")
}

fn by(way: &str) -> bool {
    std::env::var("SWARMLB_DATAPATH").is_ok_and(|datapath| datapath == way)
}

/// The stock mesh does not say when it has got to know a task.
const MESH: Duration = Duration::from_secs(1);

/// Names the directory of what `cargo xtask image` made, where that is not the target directory's.
const DIST: &str = "SWARMLB_DIST";
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const STACK_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/stack.yml");
/// Three agents need a second or two; a loaded machine may take its time.
const START: Duration = Duration::from_secs(60);
/// The containers' grace period and then some.
const STOP: Duration = Duration::from_secs(45);

/// A file that `cargo xtask image` makes, from `$SWARMLB_DIST` or the target directory.
pub fn dist(file: &str) -> Result<PathBuf> {
    let dir = match std::env::var_os(DIST) {
        Some(dir) => PathBuf::from(dir),
        // This program is target/PROFILE/[deps/]NAME.
        None => {
            let program = std::env::current_exe().context("the path of this program")?;
            let found = program.ancestors().map(|dir| dir.join("dist"));
            found
                .into_iter()
                .find(|dir| dir.is_dir())
                .context("no images are built: run `cargo xtask image`")?
        }
    };
    let path = dir.join(file);
    ensure!(
        path.exists(),
        "{} is not there: run `cargo xtask image`",
        path.display()
    );
    Ok(path)
}

/// The agent's image. One that the target directory has must be of the sources that are here.
fn archive() -> Result<PathBuf> {
    let archive = dist("swarmlb-image.tar")?;
    if std::env::var_os(DIST).is_none() {
        fresh::check(&archive, Path::new(REPOSITORY))?;
    }
    Ok(archive)
}

impl Swarm {
    /// Loads the agent's image on every node.
    pub fn load_agent(&self) -> Result<()> {
        self.load_image(&archive()?)
    }

    /// `docker stack deploy -c deploy/stack.yml lb`; returns when all agents serve.
    pub fn deploy_agents(&self) -> Result<()> {
        self.deploy_agents_with(&[])
    }

    /// `docker stack deploy -c deploy/stack.yml -c over… lb`; returns when all agents serve.
    pub fn deploy_agents_with(&self, over: &[&Path]) -> Result<()> {
        if by_mesh() {
            return Ok(());
        }
        let files = [&[Path::new(STACK_FILE)][..], over].concat();
        self.stack_deploy_files(&files, STACK)?;
        self.wait_for_agents()
    }

    /// `docker stack deploy -c deploy/stack.yml lb`, without waiting for the agents.
    pub fn start_agents(&self) -> Result<()> {
        self.stack_deploy(Path::new(STACK_FILE), STACK).map(drop)
    }

    /// [`Self::deploy_agents`] with these variables and their values exported.
    pub fn deploy_agents_by(&self, variables: &[(&str, &str)]) -> Result<()> {
        self.stack_deploy_with(variables, &[Path::new(STACK_FILE)], STACK)?;
        self.wait_for_agents()
    }

    /// Waits until there is an agent on every node that is connected and in sync.
    pub fn wait_for_agents(&self) -> Result<()> {
        if by_mesh() {
            return Ok(());
        }
        self.on_each_node(|node| {
            wait::until(&format!("the agent of {}", node.name), START, || {
                Ok(node
                    .lbctl(&["status", "--quiet"])?
                    .status
                    .success()
                    .then_some(()))
            })
            .with_context(|| node.agent_log())
        })
    }

    /// `docker stack rm lb`; returns when the agents' containers have ended.
    pub fn remove_agents(&self) -> Result<()> {
        self.manager()?.docker(&["stack", "rm", STACK])?;
        self.on_each_node(|node| {
            wait::until(&format!("the end of {}'s agent", node.name), STOP, || {
                Ok(node.agent_containers()?.is_empty().then_some(()))
            })
        })
    }

    /// Waits until every node gives new connections to exactly `tasks` tasks of a service.
    pub fn wait_until_served(&self, service: &str, tasks: usize, timeout: Duration) -> Result<()> {
        if by_mesh() {
            std::thread::sleep(slow::longer(MESH));
            return Ok(());
        }
        self.on_each_node(|node| {
            let what = format!("{tasks} tasks of {service} on {}", node.name);
            let mut last = Value::Null;
            wait::until(&what, timeout, || {
                last = node.served(service)?;
                let ready = last.get("ready").and_then(Value::as_u64);
                let all = ready == u64::try_from(tasks).ok() && node.reaches_all_of(&last)?;
                Ok(all.then_some(()))
            })
            .with_context(|| format!("{last}\n{}", node.agent_log()))
        })
    }
}

impl Node {
    /// Runs the host's `lbctl`, which finds the agent by its socket in `/run`.
    pub fn lbctl(&self, args: &[&str]) -> Result<Output> {
        let lbctl = dist("lbctl")?;
        let lbctl = lbctl.to_str().context("a path that is no UTF-8")?;
        shell::output(self.command(lbctl)?.args(args))
    }

    /// Runs `lbctl args…` in the agent's container.
    pub fn lbctl_inside(&self, args: &[&str]) -> Result<Output> {
        let agent = self.agent()?;
        self.try_docker(&[&["exec", agent.as_str(), "lbctl"], args].concat())
    }

    /// The JSON that `lbctl --json args…` prints.
    pub fn report(&self, args: &[&str]) -> Result<Value> {
        let output = self.lbctl(&[&["--json"], args].concat())?;
        let said = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&said).with_context(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            format!("lbctl {args:?} on {}: {said}{complaint}", self.name)
        })
    }

    /// One service's entry of `lbctl services`; null if there is none.
    pub fn served(&self, service: &str) -> Result<Value> {
        let report = self.report(&["services"]).unwrap_or_default();
        let services = report.get("services").and_then(Value::as_array);
        let found = services.into_iter().flatten().find(|found| {
            ["name", "id"]
                .iter()
                .any(|key| found.get(key).and_then(Value::as_str) == Some(service))
        });
        Ok(found.cloned().unwrap_or_default())
    }

    /// Whether the node knows the address of each task of a service: those that run on it are
    /// counted as ready a moment before their engine has told it.
    fn reaches_all_of(&self, service: &Value) -> Result<bool> {
        let name = service.get("name").and_then(Value::as_str);
        let end = format!(" of service {}", name.unwrap_or_default());
        let check = self.report(&["check"])?;
        let problems = check.get("problems").and_then(Value::as_array);
        Ok(!problems.into_iter().flatten().any(|problem| {
            let object = problem.get("object").and_then(Value::as_str);
            object.is_some_and(|object| object.starts_with("task ") && object.ends_with(&end))
        }))
    }

    /// Id of the agent's container.
    pub fn agent(&self) -> Result<String> {
        self.container_of(SERVICE)
    }

    /// The agent's process, as the machine counts.
    pub fn agent_pid(&self) -> Result<u32> {
        self.pid_of(SERVICE)
    }

    /// Id of the node's container of a global service.
    pub fn container_of(&self, service: &str) -> Result<String> {
        let all = self.containers_of(service)?;
        all.into_iter()
            .next()
            .with_context(|| format!("{} has no container of {service}", self.name))
    }

    /// Its process, as the machine counts.
    pub fn pid_of(&self, service: &str) -> Result<u32> {
        let container = self.container_of(service)?;
        let pid = self.docker(&["inspect", "--format", "{{.State.Pid}}", &container])?;
        Ok(pid.trim().parse()?)
    }

    fn agent_containers(&self) -> Result<Vec<String>> {
        self.containers_of(SERVICE)
    }

    fn containers_of(&self, service: &str) -> Result<Vec<String>> {
        let filter = format!("label=com.docker.swarm.service.name={service}");
        let list = self.docker(&["ps", "--quiet", "--filter", &filter])?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    /// The last lines of the agent's log, for error messages.
    #[must_use]
    pub fn agent_log(&self) -> String {
        let log = self
            .agent()
            .and_then(|agent| self.try_docker(&["logs", "--tail", "15", &agent]));
        match log {
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => format!("{error:#}"),
        }
    }
}
