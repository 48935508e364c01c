//! `lab`: a Swarm on this machine, to try things on (`cargo xtask lab …`).

#![expect(clippy::print_stdout, reason = "speaks to whoever typed the command")]

mod status;

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use harness::lab_dir::{self, Description, LabDir};
use harness::swarm::Swarm;
use harness::{reaper, teardown};

/// A real Swarm of several nodes on this machine, and a client outside of it.
#[derive(Parser)]
#[command(name = "lab")]
struct Cli {
    /// Where the laboratory keeps its state.
    #[arg(long, env = "SWARMLB_LAB", default_value = lab_dir::DEFAULT, global = true)]
    dir: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Builds the network, starts the engines and joins them.
    Up {
        /// Number of nodes.
        #[arg(long, default_value_t = 3)]
        nodes: u8,
        /// Number of managers among the nodes.
        #[arg(long, default_value_t = 1)]
        managers: u8,
        /// MTU of all links, in bytes.
        #[arg(long, default_value_t = 1500)]
        mtu: u16,
        /// Begins the name of every namespace; tells laboratories apart.
        #[arg(long, default_value = "swarmlb")]
        prefix: String,
    },
    /// Shows nodes and services, and what to do next.
    Status,
    /// Runs a command on a node, or as the client; a shell by default.
    Exec {
        /// node1, node2, …, or client
        node: String,
        /// The command, after --
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Removes everything, also after a crash.
    Down {
        /// Of which laboratory, where its directory is lost.
        #[arg(long)]
        prefix: Option<String>,
    },
    /// Waits for the end of standard input, then removes everything.
    #[command(hide = true)]
    Reap,
}

fn main() -> Result<ExitCode> {
    let Cli { dir, verb } = Cli::parse();
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the laboratory needs root: try it with sudo"
    );
    match verb {
        Verb::Up {
            nodes,
            managers,
            mtu,
            prefix,
        } => {
            up(
                &dir,
                Description {
                    prefix,
                    nodes,
                    managers,
                    mtu,
                },
            )?;
        }
        Verb::Status => print!("{}", status::describe(&Swarm::attach(&dir)?)),
        Verb::Exec { node, command } => return exec(&dir, &node, &command),
        Verb::Down { prefix } => down(&dir, prefix)?,
        Verb::Reap => reaper::reap(&LabDir::at(&dir))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn up(dir: &Path, description: Description) -> Result<()> {
    let begin = Instant::now();
    let swarm = Swarm::up(dir, description)?;
    println!("up in {:.1} s\n", begin.elapsed().as_secs_f32());
    print!("{}", status::describe(&swarm));
    Ok(())
}

fn down(dir: &Path, prefix: Option<String>) -> Result<()> {
    let lab = LabDir::at(dir);
    let prefix = match prefix {
        Some(prefix) => {
            teardown::remove(&prefix)?;
            prefix
        }
        None if lab.exists() => {
            let prefix = lab.description()?.prefix;
            teardown::down(&lab)?;
            prefix
        }
        None => {
            println!("no laboratory in {}: nothing to do", lab.path().display());
            return Ok(());
        }
    };
    let residue = teardown::residue(&prefix);
    ensure!(residue.is_empty(), "something is left:\n{residue}");
    println!("down, nothing is left");
    Ok(())
}

/// Becomes the command, so that its exit code and its signals are this one's.
fn exec(dir: &Path, node: &str, command: &[String]) -> Result<ExitCode> {
    let swarm = Swarm::attach(dir)?;
    let (program, args) = match command.split_first() {
        Some((program, args)) => (program.as_str(), args),
        None => ("sh", [].as_slice()),
    };
    let mut inside: Command = match node {
        "client" => swarm.client.netns().command(program),
        node => swarm.node(node)?.command(program)?,
    };
    let error = inside.args(args).exec();
    Err(error).with_context(|| format!("running {program} on {node}"))
}
