//! `cargo xtask demo`: swarmlb at work on a Swarm of three nodes on this machine:
//! what an operator would type, and what comes of it.

mod answers;
mod http;

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{read, root, run, say};
use crate::{image, lab, setup};
use answers::Answer;

const NODES: [&str; 3] = ["node1", "node2", "node3"];
/// The node whose engine is asked to change the Swarm.
const MANAGER: &str = "node1";
const PORT: &str = "8080";
const REPLICAS: usize = 6;
/// For containers to start on a busy machine, on one node after the other.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Remove the laboratory when all is shown
    #[arg(long)]
    down: bool,
}

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    setup::lab()?;
    let archives = [image::agent()?, image::whoami()?];

    if read(&mut lab::command(["status"])).is_ok() {
        say("Going on with the laboratory that is up.");
    } else {
        say("Starting a Swarm of three nodes and a client outside of it.");
        run(&mut lab::command(["up", "--nodes", "3"]))?;
    }
    for node in NODES {
        say(format_args!("Loading the images on {node}."));
        for archive in &archives {
            let archive = archive
                .to_str()
                .context("the target directory's name is not UTF-8")?;
            read(&mut on(node, &["docker", "load", "-q", "-i", archive]))?;
        }
    }
    let shown = deploy()
        .and_then(|()| show())
        .and_then(|()| http::deploy())
        .and_then(|()| http::show());
    if args.down {
        run(&mut lab::command(["down"]))?;
        return shown;
    }
    say(
        "Look further: cargo xtask lab exec node1 -- sh -c 'docker exec $(docker ps -qf name=lb_agent) lbctl status'",
    );
    say("Clean up:     cargo xtask lab down");
    shown
}

/// The agent as a global service, then a service to balance.
fn deploy() -> Result<()> {
    if exists("service", http::ROUTERS) {
        // Without deploy/router.yml, the stack would switch the router off on all agents; with it, the routers would
        // lose the certificate that a run before this one gave them.
        say("Going on with the agents and routers that are deployed.");
    } else {
        say("Deploying the agent on every node: docker stack deploy -c deploy/stack.yml lb");
        deploy_stack(&["deploy/stack.yml"])?;
    }
    running("lb_agent", NODES.len())?;
    let options = format!("--publish {PORT}:80 --replicas {REPLICAS}");
    create("vote", &options, REPLICAS)
}

/// `docker stack deploy` of the stack `lb`, from these files of the repository.
fn deploy_stack(files: &[&str]) -> Result<()> {
    let version = ["docker", "version", "--format", "{{.Server.Version}}"];
    let version = read(&mut on(MANAGER, &version))?;
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    // Older ones don't know the capabilities BPF and PERFMON.
    let [bpf, perfmon] = if major.is_some_and(|major: u32| major < 23) {
        ["SYS_ADMIN", "CAP_SYS_ADMIN"]
    } else {
        ["BPF", "PERFMON"]
    };
    let bpf = format!("SWARMLB_CAP_BPF={bpf}");
    let perfmon = format!("SWARMLB_CAP_PERFMON={perfmon}");
    let mut command = vec!["env", bpf.as_str(), perfmon.as_str()];
    command.extend(["docker", "stack", "deploy", "--resolve-image", "never"]);
    let files: Vec<_> = files.iter().map(|file| root().join(file)).collect();
    for file in &files {
        let file = file
            .to_str()
            .context("the repository's path is not UTF-8")?;
        command.extend(["-c", file]);
    }
    command.push("lb");
    read(&mut on(MANAGER, &command)).map(drop)
}

/// Creates a service of `whoami` with these options if there is none of its name, and waits until its tasks run.
fn create(service: &str, options: &str, replicas: usize) -> Result<()> {
    if !exists("service", service) {
        say(format_args!(
            "Creating a service: docker service create --name {service} {options} …"
        ));
        let create = format!(
            "docker service create --detach --quiet --no-resolve-image --name {service} {options} \
             --env TASK={{{{.Task.Name}}}} --env NODE={{{{.Node.Hostname}}}} whoami:latest"
        );
        read(&mut on(
            MANAGER,
            &create.split_whitespace().collect::<Vec<_>>(),
        ))?;
    }
    running(service, replicas)
}

/// Whether the Swarm has an object of this kind (`service`, `secret`) and name.
fn exists(kind: &str, name: &str) -> bool {
    read(&mut on(MANAGER, &["docker", kind, "inspect", name])).is_ok()
}

/// Waits until so many tasks of a service run.
fn running(service: &str, wanted: usize) -> Result<()> {
    let format = "{{.CurrentState}}\t{{.Error}}";
    let ask = [
        "docker",
        "service",
        "ps",
        "--no-trunc",
        "--filter",
        "desired-state=running",
        "--format",
        format,
        service,
    ];
    let begin = Instant::now();
    loop {
        let tasks = read(&mut on(MANAGER, &ask))?;
        let count = tasks
            .lines()
            .filter(|task| task.starts_with("Running"))
            .count();
        if count >= wanted {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            bail!("of {wanted} tasks of {service} only {count} run:\n{tasks}");
        }
        sleep(Duration::from_millis(250));
    }
}

/// Calls the port of every node from outside, and shows who answered.
fn show() -> Result<()> {
    let mut seen = Vec::new();
    for node in NODES {
        let address = address(node)?;
        say(format_args!(
            "Calling http://{address}:{PORT} ({node}) {REPLICAS} times from the client."
        ));
        let url = format!("http://{address}:{PORT}/");
        // The first call waits until the port is served; each has a connection of its own.
        let wait = "curl -s -o /dev/null --max-time 2 --retry 20 --retry-delay 1 --retry-connrefused \"$0\"";
        read(&mut on("client", &["sh", "-c", wait, &url]))
            .with_context(|| format!("{url} does not answer"))?;
        let calls = "for i in $(seq \"$1\"); do curl -sS --max-time 5 \"$0\" || exit; done";
        let text = read(&mut on(
            "client",
            &["sh", "-c", calls, &url, &REPLICAS.to_string()],
        ))
        .with_context(|| format!("{url} does not answer"))?;
        seen.push((node, Answer::parse_all(&text)?));
    }
    say(format_args!("\n{}", answers::table(&seen)));

    say("What the agent on node1 counted: docker exec AGENT lbctl stats");
    run(&mut lbctl("stats"))?;
    answers::every_task_in_turn(&seen, REPLICAS)
}

/// The node's address in the Swarm.
fn address(node: &str) -> Result<String> {
    let format = "{{.Swarm.NodeAddr}}";
    read(&mut on(node, &["docker", "info", "--format", format]))
}

/// `lbctl` in the agent's container on the manager.
fn lbctl(arguments: &str) -> Command {
    let agent = "$(docker ps -qf label=com.docker.swarm.service.name=lb_agent)";
    let line = format!("docker exec {agent} lbctl {arguments}");
    on(MANAGER, &["sh", "-c", &line])
}

fn on(node: &str, command: &[&str]) -> Command {
    lab::command(["exec", node, "--"].iter().chain(command))
}
