//! A real Swarm on the laboratory's network.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use crate::client::Client;
use crate::lab_dir::{Description, LabDir};
use crate::node::{Node, docker_cli};
use crate::topology::{MAX_NODES, Topology, client_netns};
use crate::{cgroups, forwarding, image, preflight, shell, slow, teardown};

/// The nodes of a Swarm, and a client outside of it.
#[derive(Debug)]
pub struct Swarm {
    /// node1 first; it is a manager.
    pub nodes: Vec<Node>,
    /// The client outside of the Swarm.
    pub client: Client,
    dir: LabDir,
    description: Description,
}

/// After so many changes the managers' log becomes a snapshot, in place of 10,000. A manager that joins gets the whole log in
/// one message, and engines refuse messages of more than 4 MB: with a longer log, as that of a whole suite, the new manager
/// never gets it, and without its vote nothing is changed any more (tried with 6 MB on Docker 20.10, without swarmlb).
const LOG_ENTRIES: &str = "500";

impl Swarm {
    /// Builds the network, starts the engines, joins them, and loads the test image on
    /// every node. On failure everything is removed again.
    pub fn up(dir: &Path, description: Description) -> Result<Self> {
        preflight::check()?;
        let Description {
            nodes, managers, ..
        } = description;
        ensure!(
            (1..=MAX_NODES).contains(&nodes),
            "1 to {MAX_NODES} nodes, not {nodes}"
        );
        ensure!(
            (1..=nodes).contains(&managers),
            "1 to {nodes} of {nodes} nodes can be managers, not {managers}"
        );
        let others = teardown::residue(&description.prefix);
        ensure!(
            others.is_empty(),
            "there are objects of another laboratory named `{0}`; `lab down --prefix {0}` removes \
             them:\n{others}",
            description.prefix
        );
        let dir = LabDir::create(dir, &description)?;
        Self::build(&dir, description).inspect_err(|_| {
            // The first error is the one that matters.
            let _ = teardown::down(&dir);
        })
    }

    fn build(dir: &LabDir, description: Description) -> Result<Self> {
        let swarm = Self::assemble(dir.clone(), description);
        let Description {
            prefix,
            nodes,
            managers,
            mtu,
        } = &swarm.description;
        forwarding::want(prefix)?;
        Topology::up(prefix, *nodes, *mtu)?.keep();
        swarm.on_each_node(Node::boot)?;
        let start = |node: &Node| node.start_engine(&cgroups::parent(prefix));
        if slow::factor() > 1 {
            // An engine gives its containerd 15 s to start, whatever else the machine does.
            swarm.nodes.iter().try_for_each(start)?;
        } else {
            swarm.on_each_node(start)?;
        }
        swarm.join(usize::from(*managers))?;
        swarm.load_image(&image::whoami_archive(dir.path())?)?;
        Ok(swarm)
    }

    /// The handle of a Swarm that another process brought up.
    pub fn attach(dir: &Path) -> Result<Self> {
        let dir = LabDir::at(dir);
        let description = dir.description()?;
        Ok(Self::assemble(dir, description))
    }

    fn assemble(dir: LabDir, description: Description) -> Self {
        let prefix = &description.prefix;
        let nodes = (1..=description.nodes)
            .map(|n| Node::handle(&dir, prefix, n))
            .collect();
        let client = Client::new(client_netns(prefix));
        Self {
            nodes,
            client,
            dir,
            description,
        }
    }

    /// Removes everything. Says nothing of a Swarm that is already gone.
    pub fn down(&self) -> Result<()> {
        teardown::down(&self.dir)
    }

    /// The parameters of the laboratory.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The laboratory's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Result<&Node> {
        let found = self.nodes.iter().find(|node| node.name == name);
        let names = || {
            self.nodes
                .iter()
                .map(|n| n.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        found.with_context(|| format!("no node `{name}`: there are {}", names()))
    }

    /// The first node, a manager: where `docker` commands about the Swarm are run.
    pub fn manager(&self) -> Result<&Node> {
        self.nodes.first().context("a Swarm without nodes")
    }

    /// Starts the engine of a node again after [`Node::kill_engine`].
    pub fn restart_engine(&self, node: &Node) -> Result<()> {
        node.start_engine(&cgroups::parent(&self.description.prefix))
    }

    fn join(&self, managers: usize) -> Result<()> {
        let first = self.manager()?;
        let advertise = first.addr.to_string();
        first.docker(&["swarm", "init", "--advertise-addr", &advertise])?;
        first.docker(&["swarm", "update", "--snapshot-interval", LOG_ENTRIES])?;
        let token = |role| first.docker(&["swarm", "join-token", "--quiet", role]);
        let (manager, worker) = (token("manager")?, token("worker")?);
        let (promoted, workers) = self.nodes.split_at(managers);
        // Managers join one by one: each changes the quorum for the next.
        let target = format!("{advertise}:2377");
        for node in promoted.iter().skip(1) {
            node.docker(&["swarm", "join", "--token", &manager, &target])?;
        }
        each(workers, |node| {
            node.docker(&["swarm", "join", "--token", &worker, &target])
                .map(drop)
        })
    }

    /// Runs the same on all nodes at once; the first error, if there is one.
    pub fn on_each_node(&self, work: impl Fn(&Node) -> Result<()> + Sync) -> Result<()> {
        each(&self.nodes, work)
    }

    /// `docker load` of an archive on every node.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        let archive = archive.to_str().context("a path that is no UTF-8")?;
        self.on_each_node(|node| {
            node.docker(&["load", "--quiet", "--input", archive])
                .map(drop)
        })
    }

    /// `docker stack deploy` of a compose file of this machine.
    pub fn stack_deploy(&self, file: &Path, name: &str) -> Result<String> {
        self.stack_deploy_files(&[file], name)
    }

    /// `docker stack deploy` of compose files of this machine, later ones over earlier ones.
    pub fn stack_deploy_files(&self, files: &[&Path], name: &str) -> Result<String> {
        self.stack_deploy_with(&[], files, name)
    }

    /// `docker stack deploy` of compose files of this machine, later ones over earlier ones, with these variables and their
    /// values exported.
    pub fn stack_deploy_with(
        &self,
        variables: &[(&str, &str)],
        files: &[&Path],
        name: &str,
    ) -> Result<String> {
        let mut arguments: Vec<PathBuf> = Vec::new();
        arguments.extend(["stack", "deploy", "--resolve-image", "never"].map(PathBuf::from));
        for file in files {
            arguments.extend(["-c".into(), std::path::absolute(file)?]);
        }
        arguments.push(name.into());
        let manager = self.manager()?;
        // What README has operators of such hosts do.
        let mut command = manager.command(&docker_cli())?;
        command.args(arguments).envs(variables.iter().copied());
        if manager.is_old_engine()? {
            command.env("SWARMLB_CAP_BPF", "SYS_ADMIN");
            command.env("SWARMLB_CAP_PERFMON", "CAP_SYS_ADMIN");
        }
        if manager.keeps_mounts_private()? {
            command.env("SWARMLB_RUN_PROPAGATION", "rprivate");
        }
        shell::stdout(&mut command).with_context(|| manager.name.clone())
    }

    /// Runs a command in the namespace of the client.
    pub fn client_exec(&self, program: &str, args: &[&str]) -> Result<String> {
        shell::stdout(self.client.netns().command(program).args(args))
    }
}

fn each(nodes: &[Node], work: impl Fn(&Node) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let running: Vec<_> = nodes
            .iter()
            .map(|node| scope.spawn(|| work(node)))
            .collect();
        let panicked = |_| Err(anyhow!("a node's thread panicked"));
        let results: Vec<_> = running
            .into_iter()
            .map(|t| t.join().unwrap_or_else(panicked))
            .collect();
        results.into_iter().collect()
    })
}
