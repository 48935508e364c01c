//! `cargo xtask vm …`: a virtual machine with another kernel and another engine, for what
//! this machine's kernel may not have: IPVS, and with it the stock mesh.
//!
//! Emulated, so it runs wherever qemu does, some 20 times slower than the machine itself:
//! figures taken there are compared with each other only. They are those of a busy machine, too,
//! unless the guest is steady: then its time is the number of instructions that it has run.

mod fault;
mod guest;
mod machine;
mod outcome_table;
mod rootfs;
pub(crate) mod scenarios;
mod shell_quote;
mod state;
mod suite;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;

use crate::process::{is_root, say};
use crate::{image, setup};
pub(crate) use guest::Guest;
pub(crate) use suite::{Guests, MESH, NETLINK, Wanted, suites};

use machine::Machine;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Boot a virtual machine; the first time, install its system
    Up {
        /// Release of Debian
        #[arg(long, value_enum, default_value_t = Guest::Bookworm)]
        guest: Guest,
        /// One CPU, whose clock counts instructions: for figures that do not depend on what else
        /// this machine does
        #[arg(long)]
        steady: bool,
        /// A parameter more for its kernel, as ipv6.disable=1; may be given several times
        #[arg(long = "kernel-parameter", value_name = "PARAMETER")]
        kernel_parameters: Vec<String>,
    },
    /// Run a command in it as root, in this directory, with its exit code
    Run {
        /// The command, after --
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// End it; what was written outside this repository is lost
    Down,
}

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<ExitCode> {
    if !is_root() {
        bail!("the virtual machine shares files by a server that needs root: run it as root");
    }
    match &args.verb {
        Verb::Up {
            guest,
            steady,
            kernel_parameters,
        } => up(*guest, *steady, kernel_parameters)?,
        Verb::Run { command } => return Machine::running()?.run(command),
        Verb::Down => match Machine::running() {
            Ok(machine) => machine.stop()?,
            Err(_) => say("No virtual machine is running: nothing to do."),
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command, which begins with its environment, in a steady guest that is booted for it and
/// ended afterwards, however that went; in the one that runs, where there is one of that kind.
pub(crate) fn in_steady_guest(guest: Guest, command: &[OsString]) -> Result<()> {
    let (machine, is_ours) = match Machine::running() {
        Ok(machine)
            if machine.guest() == guest.suite() && machine.is_steady() && machine.is_usual() =>
        {
            (machine, false)
        }
        _ => (boot(guest, true, &[])?, true),
    };
    let code = machine.run(command);
    if is_ours {
        machine.stop()?;
    }
    if code? != ExitCode::SUCCESS {
        bail!("what ran in the virtual machine failed");
    }
    Ok(())
}

fn up(guest: Guest, steady: bool, kernel_parameters: &[String]) -> Result<()> {
    boot(guest, steady, kernel_parameters)?;
    say("Go on with: cargo xtask vm run -- COMMAND, then cargo xtask vm down");
    Ok(())
}

fn boot(guest: Guest, steady: bool, kernel_parameters: &[String]) -> Result<Machine> {
    if let Ok(machine) = Machine::running() {
        bail!(
            "a virtual machine with {} is running already: end it with `cargo xtask vm down`",
            machine.guest()
        );
    }
    setup::vm()?;
    let system = rootfs::ensure(guest)?;
    // The same binaries as here: built once, by this machine.
    image::agent()?;
    image::whoami()?;
    Machine::boot(guest, &system, steady, kernel_parameters)
}
