//! `swarmlb`, the agent: command line, logs, exit codes and the runtime. Everything else is in the library.

use agent::cli::{Cli, LogFormat, Verb};
use anyhow::Context as _;
use clap::Parser as _;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    if let Err(error) = confine() {
        print_error(&error);
        return ExitCode::FAILURE;
    }
    // clap exits with 2 on a command line that it does not understand.
    let done = match Cli::parse().verb {
        Verb::Run(settings) => {
            log(settings.common.log_format);
            run(*settings)
        }
        Verb::EngineFilter(settings) => {
            log(settings.common.log_format);
            filter(settings)
        }
        Verb::Clean(place) => {
            log(LogFormat::Text);
            agent::run::clean(&place.bpffs, None).map_err(Into::into)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Restricts this process: programs that it might start gain no privileges, and neither another process nor a core
/// dump can read its keys.
fn confine() -> anyhow::Result<()> {
    use nix::sys::prctl;
    prctl::set_no_new_privs().context("new privileges can't be given up")?;
    prctl::set_dumpable(false).context("the memory can't be hidden")
}

fn run(settings: agent::cli::Run) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Queries of the kernel's maps; more at a time would only wait for each other.
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    Ok(runtime.block_on(agent::run::run(settings))?)
}

/// Runs the engine filter on one thread, which is enough to pass bytes on.
fn filter(settings: agent::cli::Filter) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    Ok(runtime.block_on(agent::filter::run(settings))?)
}

/// Logs go to standard error; `RUST_LOG` filters them.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}

/// Prints one message, with the whole chain of sources.
#[expect(
    clippy::print_stderr,
    reason = "the last word belongs to the person at the terminal"
)]
fn print_error(error: &anyhow::Error) {
    eprintln!(
        "swarmlb: {}",
        agent::error_chain::error_chain(error.as_ref())
    );
}
