//! `swarmlb-router`: command line, logs and exit codes. Everything else is in the library.

use anyhow::Context as _;
use clap::Parser as _;
use mimalloc::MiMalloc;
use router::cli::{Cli, LogFormat};
use tracing_subscriber::EnvFilter;

/// The future of an exchange has some kilobytes: the C library's allocator is slow for what is larger than one.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> anyhow::Result<()> {
    confine()?;
    let cli = Cli::parse();
    log(cli.log_format);
    router::run(&cli.settings()).context("swarmlb-router")
}

/// What is logged without `RUST_LOG`: of the libraries that read clients' bytes no warnings, of which each client could make
/// as many as it likes.
const FILTER: &str = "info,h2=error,hyper=error,hyper_util=error,rustls=error";

/// Restricts this process: programs that it might start gain no privileges, and neither another process nor a core
/// dump can read its keys.
fn confine() -> anyhow::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    rustix::thread::set_no_new_privs(true).context("new privileges can't be given up")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("the memory can't be hidden")
}

/// Logs go to standard error; `RUST_LOG` filters them.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
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
