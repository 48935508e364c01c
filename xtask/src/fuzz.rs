//! `cargo xtask fuzz`: looks for bytes that break what the datapath promises.
//!
//! The promises are the crate `lb-oracle` (tests/oracle), which ordinary tests run as well, on
//! the seeds in tests/fuzz/seeds. What is found is kept in the user's cache: the corpus, where the
//! next run goes on, and the bytes that broke something.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::process::{cargo, root, run, say, target_dir};
use crate::setup;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long for each target
    #[arg(long, default_value_t = 10)]
    minutes: u32,
    /// Which one; both, one after the other, if not told
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
    /// Tables, frames and calls, one after the other, against all promises
    Decision,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Parser => "parser",
            Self::Decision => "decision",
        }
    }
}

/// The longest story, in bytes: more than any needs.
const LONGEST: u32 = 2_048;

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    setup::fuzzer()?;
    match args.target {
        Some(target) => fuzz(target, args),
        None => [Target::Parser, Target::Decision]
            .into_iter()
            .try_for_each(|target| fuzz(target, args)),
    }
}

fn fuzz(target: Target, args: &Args) -> Result<()> {
    let name = target.name();
    let place = setup::cache_dir()?.join("fuzz").join(name);
    let (corpus, findings) = (place.join("corpus"), place.join("findings"));
    for dir in [&corpus, &findings] {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let mut fuzz = cargo();
    fuzz.args(["fuzz", "run", "--fuzz-dir", "tests/fuzz"]);
    // The datapath has no unsafe code, but reads and writes through a library that has.
    fuzz.args(["--sanitizer", "address", name]);
    match &args.replay {
        Some(bytes) => {
            let bytes = std::path::absolute(bytes)?;
            fuzz.arg(bytes).args(["--", "-runs=1"]);
        }
        None => {
            say(format_args!(
                "Fuzzing the {name} for {} minutes; the corpus is in {}.",
                args.minutes,
                corpus.display()
            ));
            fuzz.arg(&corpus)
                .arg(root().join("tests/fuzz/seeds").join(name))
                .arg("--")
                .arg(format!("-max_total_time={}", args.minutes * 60))
                .arg(format!("-max_len={LONGEST}"))
                .arg(format!("-artifact_prefix={}/", findings.display()))
                .arg("-print_final_stats=1");
        }
    }
    // Instrumentation is a matter of nightly compilers; the stable one has it all the same.
    fuzz.env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", target_dir().join("fuzz"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    run(&mut fuzz).with_context(|| {
        format!(
            "the {name} broke a promise, which is named above; the bytes are in {}. \
             Run them with `cargo xtask fuzz --target {name} --replay FILE`, and put them into \
             tests/fuzz/seeds/{name} once that is mended",
            findings.display()
        )
    })
}
