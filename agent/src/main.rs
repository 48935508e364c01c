//! `swarmlb`: the agent. What it does is in the library; here are words, exit codes and the runtime.

use agent::cli::{Cli, LogFormat, Verb};
use anyhow::Context as _;
use clap::Parser as _;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // clap ends with 2 on what it does not understand.
    let done = match Cli::parse().verb {
        Verb::Run(settings) => {
            log(settings.log_format);
            run(*settings)
        }
        Verb::Clean(place) => {
            log(LogFormat::Text);
            agent::run::clean(&place.bpffs, None).map_err(Into::into)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(settings: agent::cli::Run) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    Ok(runtime.block_on(agent::run::run(settings))?)
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

/// One sentence, whatever the depth of its causes.
#[expect(
    clippy::print_stderr,
    reason = "the last word belongs to the person at the terminal"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("swarmlb: {}", agent::sentence::causes(error.as_ref()));
}
