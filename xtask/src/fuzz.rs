//! `cargo xtask fuzz`: looks for bytes that break what the datapath promises, or the reading of labels.
//!
//! The promises are the crate `lb-oracle` (tests/oracle), which ordinary tests run as well, on
//! the seeds in tests/fuzz/seeds. What is found is kept in the user's cache: the corpus, where the
//! next run goes on, and the bytes that broke something.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::process::{cargo, read, remove_tree, root, run, say, target_dir};
use crate::setup;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Minutes for each target
    #[arg(long, default_value_t = 10)]
    minutes: u32,
    /// Only this target; else all, one after the other
    #[arg(long, value_enum)]
    target: Option<Target>,
    /// Run these bytes only, once: a finding, for example
    #[arg(long, requires = "target")]
    replay: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Any bytes as a frame, against another parser
    Parser,
    /// Any bytes as labels of services
    Labels,
    /// Tables, frames and calls, one after the other, against all promises
    Decision,
    /// Any bytes as a message between agents
    Protocol,
    /// Any bytes as labels that declare HTTP routes, and as requests
    Routes,
}

impl Target {
    const ALL: [Self; 5] = [
        Self::Parser,
        Self::Labels,
        Self::Decision,
        Self::Protocol,
        Self::Routes,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Parser => "parser",
            Self::Labels => "labels",
            Self::Decision => "decision",
            Self::Protocol => "protocol",
            Self::Routes => "routes",
        }
    }
}

/// The longest story, in bytes: more than any needs.
const LONGEST: u32 = 2_048;
/// For each target, where it is only to be seen that it works.
const QUICK_SECONDS: u32 = 20;

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    setup::fuzzer()?;
    match args.target {
        Some(target) => fuzz(target, args),
        None => Target::ALL
            .into_iter()
            .try_for_each(|target| fuzz(target, args)),
    }
}

/// Each target for a moment, from its seeds: a fuzzer that no longer builds is seen before it is
/// needed. The same bytes each time: looking for new ones is for the verb, as long as one likes.
pub(crate) fn quick() -> Result<()> {
    setup::fuzzer()?;
    unchanged_lock()?;
    let quick = target_dir().join("fuzz/quick");
    remove_tree(&quick)?;
    Target::ALL.into_iter().try_for_each(|target| {
        let directories = Directories::at(&quick.join(target.name()))?;
        let mut fuzz = long(target, &directories, QUICK_SECONDS);
        fuzz.arg("-seed=1");
        run(&mut fuzz).with_context(|| broken(target, &directories))
    })
}

/// Of this workspace cargo-fuzz locks nothing: what the rest of the repository needs by now may be
/// missing there.
fn unchanged_lock() -> Result<()> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--locked", "--format-version", "1"]);
    metadata.args(["--manifest-path", "tests/fuzz/Cargo.toml"]);
    read(&mut metadata)
        .map(drop)
        .context("tests/fuzz/Cargo.lock is not what its Cargo.toml asks for: `cargo xtask fuzz` mends it, then commit it")
}

fn fuzz(target: Target, args: &Args) -> Result<()> {
    let name = target.name();
    let directories = Directories::at(&setup::cache_dir()?.join("fuzz").join(name))?;
    let mut fuzz = if let Some(bytes) = &args.replay {
        let mut fuzz = libfuzzer(target);
        fuzz.arg(std::path::absolute(bytes)?);
        fuzz.args(["--", "-runs=1"]);
        fuzz
    } else {
        say(format_args!(
            "Fuzzing the {name} for {} minutes; the corpus is in {}.",
            args.minutes,
            directories.corpus.display()
        ));
        let mut fuzz = long(target, &directories, args.minutes * 60);
        fuzz.arg("-print_final_stats=1");
        fuzz
    };
    run(&mut fuzz).with_context(|| broken(target, &directories))
}

/// The directories of one target: inputs that reach new code, and inputs that broke a promise.
struct Directories {
    corpus: PathBuf,
    findings: PathBuf,
}

impl Directories {
    fn at(dir: &Path) -> Result<Self> {
        let directories = Self {
            corpus: dir.join("corpus"),
            findings: dir.join("findings"),
        };
        for dir in [&directories.corpus, &directories.findings] {
            std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
        Ok(directories)
    }
}

/// Runs a target, given what to run it on.
fn libfuzzer(target: Target) -> Command {
    let mut fuzz = cargo();
    fuzz.args(["fuzz", "run", "--fuzz-dir", "tests/fuzz"]);
    // The datapath has no unsafe code, but reads and writes through a library that has.
    fuzz.args(["--sanitizer", "address", target.name()]);
    // Instrumentation is a matter of nightly compilers; the stable one has it all the same.
    fuzz.env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", target_dir().join("fuzz"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    fuzz
}

/// Runs a target for so long, from its seeds and what was found before.
fn long(target: Target, directories: &Directories, seconds: u32) -> Command {
    let mut fuzz = libfuzzer(target);
    fuzz.arg(&directories.corpus)
        .arg(root().join("tests/fuzz/seeds").join(target.name()))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!(
            "-artifact_prefix={}/",
            directories.findings.display()
        ));
    fuzz
}

fn broken(target: Target, directories: &Directories) -> String {
    let name = target.name();
    format!(
        "the {name} did not build, or broke a promise, which is named above; the bytes are in {}. \
         Run them with `cargo xtask fuzz --target {name} --replay FILE`, and put them into \
         tests/fuzz/seeds/{name} once that is mended",
        directories.findings.display()
    )
}
