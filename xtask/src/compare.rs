//! `cargo xtask compare`: Swarm's own mesh, swarmlb, and what stands between them and nothing,
//! measured in turn on one Swarm. The measuring is done by `tests/compare` in a virtual machine,
//! whose kernel has the mesh; here it is built, started, and what it found is drawn.

mod document;
mod plot;
#[path = "../../tests/compare/results.rs"]
mod results;
mod statistics;
mod table;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::process::{is_root, read, root, say, target_dir};
use crate::vm::{self, Guest};
use crate::{image, setup};
use results::Results;

/// The guest has one CPU for three nodes: what waits there, waits so many times longer.
const SLOWNESS: &str = "SWARMLB_SLOW=4";
/// Arguments of the short form.
const SHORT: [&str; 6] = ["--seconds", "0.2", "--updates", "0", "--settle", "3"];
/// Where the plot is, for the pages that show it.
const PLOT: &str = "docs/compare.svg";
const DOCUMENT: &str = "docs/bench.md";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Release of Debian, with its kernel and its engine
    #[arg(long, value_enum, default_value_t = Guest::Trixie)]
    guest: Guest,
    /// Rounds: each measures every variant once
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// In how many of the rounds a service is updated by each variant; one if not said
    #[arg(long)]
    updates: Option<u32>,
    /// One short round without updates, to see that everything works
    #[arg(long, conflicts_with = "updates")]
    quick: bool,
    /// Where compare.json and compare.svg are written to
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Measure nothing: show what is in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["guest", "rounds", "updates", "quick"])]
    from: Option<PathBuf>,
    /// Write the results into docs/bench.md, and the plot beside it
    #[arg(long, conflicts_with = "quick")]
    write: bool,
}

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    let out = match &args.out {
        Some(out) => std::path::absolute(out)?,
        None => target_dir().join("compare"),
    };
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let json = match &args.from {
        Some(file) => fs::read(file).with_context(|| file.display().to_string())?,
        None => measure(args)?,
    };
    let results: Results = serde_json::from_slice(&json).context("what was measured")?;
    let plot = plot::svg(&results)?;
    let write = |path: &Path, bytes: &[u8]| -> Result<()> {
        fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        say(format_args!("Wrote {}.", path.display()));
        Ok(())
    };
    write(&out.join("compare.json"), &json)?;
    write(&out.join("compare.svg"), plot.as_bytes())?;
    let report = table::markdown(&results);
    if args.write {
        write(&root().join(PLOT), plot.as_bytes())?;
        document::replace(&root().join(DOCUMENT), &report)?;
    }
    show(&report);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the verb's result")]
fn show(report: &str) {
    println!("{report}");
}

/// One short round without updates, in a guest of somebody else's: a comparison that no longer works
/// is seen before it is needed.
pub(crate) struct Quick {
    /// The command to run in the guest.
    pub(crate) command: Vec<OsString>,
    json: PathBuf,
}

impl Quick {
    /// Builds what measures.
    pub(crate) fn build() -> Result<Self> {
        let json = json();
        // What an earlier one wrote proves nothing.
        let _ = fs::remove_file(&json);
        let mut command = vec![OsString::from("env"), image::compare()?.into()];
        command.extend(["--json".into(), json.clone().into()]);
        command.extend(["--rounds", "1"].map(OsString::from));
        command.extend(SHORT.map(OsString::from));
        Ok(Self { command, json })
    }

    /// Shows what it has measured by then.
    pub(crate) fn show(&self) -> Result<()> {
        let json = fs::read(&self.json).with_context(|| self.json.display().to_string())?;
        let results: Results = serde_json::from_slice(&json).context("what was measured")?;
        plot::svg(&results)?;
        show(&table::markdown(&results));
        Ok(())
    }
}

/// Where the guest writes to: in the target directory, which it sees at the same path.
fn json() -> PathBuf {
    target_dir().join("compare.json")
}

/// Measures in the guest; returns what it wrote.
fn measure(args: &Args) -> Result<Vec<u8>> {
    ensure!(
        is_root(),
        "the virtual machine shares files by a server that needs root: run it as root"
    );
    setup::vm()?;
    image::agent()?;
    image::whoami()?;
    let program = image::compare()?;
    let json = json();
    let mut command: Vec<OsString> = vec![SLOWNESS.into(), program.into()];
    command.extend(["--json".into(), json.clone().into()]);
    let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 3 });
    command.extend(["--rounds".into(), rounds.to_string().into()]);
    if let Some(updates) = args.updates {
        command.extend(["--updates".into(), updates.to_string().into()]);
    }
    if args.quick {
        command.extend(SHORT.map(OsString::from));
    }
    if let Some(commit) = commit() {
        command.extend(["--commit".into(), commit.into()]);
    }
    let begin = Instant::now();
    vm::in_steady_guest(args.guest, &command)?;
    say(format_args!(
        "Measured in {:.0} s.",
        begin.elapsed().as_secs_f32()
    ));
    fs::read(&json).with_context(|| json.display().to_string())
}

/// The source's commit, marked where the source is not that any more.
fn commit() -> Option<String> {
    let mut git = Command::new("git");
    git.current_dir(root())
        .args(["describe", "--always", "--dirty", "--abbrev=10"]);
    read(&mut git).ok()
}
