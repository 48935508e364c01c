//! `cargo xtask mutants`: changes the code that decides in small ways, one at a time, and looks whether a
//! test notices: cargo-mutants over lb-core, with the pure half of the IPVS path, and lb-datapath. A change is
//! judged by the tests of the crate that it is in.
//!
//! What is left out, and why, is in `.cargo/mutants.toml`; the score is in tests/README.md.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::process::{cargo, say, target_dir};
use crate::setup;

/// Where decisions are made.
const CRATES: [&str; 2] = ["lb-core", "lb-datapath"];

/// The files that CI looks at, in two minutes: choice of SNAT ports. Every change there is noticed.
const SHORT: [&str; 1] = ["ebpf/datapath/src/snat_port.rs"];

/// Percentage of all changes that tests have to notice.
const GOAL: usize = 90;

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only files whose paths match one of these
    #[arg(long, num_args = 1.., value_name = "GLOB")]
    file: Vec<String>,
    /// Only what a diff (of `git diff`, in a file) touches
    #[arg(long, value_name = "FILE")]
    in_diff: Option<PathBuf>,
    /// Only the Kth of N parts, from 0 on
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Only the few files that CI looks at, where nothing may survive
    #[arg(long, conflicts_with_all = ["file", "in_diff", "shard"])]
    short: bool,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    list: bool,
}

/// Outcomes of a run, from cargo-mutants' `outcomes.json`.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
struct Outcomes {
    missed: usize,
    caught: usize,
    /// The tests did not end, which is noticed as well.
    timeout: usize,
    /// Changes that do not compile are none.
    unviable: usize,
}

impl Outcomes {
    fn noticed(&self) -> usize {
        self.caught + self.timeout
    }

    fn all(&self) -> usize {
        self.noticed() + self.missed
    }

    /// The share of noticed changes in whole percents, rounded down.
    fn score(&self) -> usize {
        (100 * self.noticed())
            .checked_div(self.all())
            .unwrap_or(100)
    }
}

/// The part that CI runs.
pub(crate) fn short() -> Result<()> {
    run_verb(&Args {
        short: true,
        ..Args::default()
    })
}

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    setup::mutants()?;
    let output = target_dir();
    let told = output.join("mutants.out");
    // Whatever is there is of another run.
    let _ = fs::remove_dir_all(&told);
    let mut mutants = cargo();
    mutants.arg("mutants").arg("--output").arg(&output);
    mutants.args(["--colors", "never"]);
    for package in CRATES {
        mutants.args(["--package", package]);
    }
    let short = SHORT.iter().filter(|_| args.short);
    for file in args.file.iter().map(String::as_str).chain(short.copied()) {
        mutants.args(["--file", file]);
    }
    if let Some(diff) = &args.in_diff {
        mutants.arg("--in-diff").arg(diff);
    }
    if let Some(shard) = &args.shard {
        // Each part has something of every file.
        mutants.args(["--shard", shard, "--sharding", "round-robin"]);
    }
    if args.list {
        mutants.arg("--list");
    }
    // Its builds are in a copy of the tree, with a target directory of their own.
    mutants.env_remove("CARGO_TARGET_DIR");
    let status = mutants.status().context("cannot start cargo-mutants")?;
    match status.code() {
        Some(0) if args.list => return Ok(()),
        // All noticed; some not; some whose tests did not end.
        Some(0 | 2 | 3) => {}
        _ => bail!("cargo-mutants failed ({status}): what it says is above"),
    }
    judge(&read(&told)?, args.short, &told)
}

fn read(told: &Path) -> Result<Outcomes> {
    let file = told.join("outcomes.json");
    // Where nothing was to be changed, nothing is told.
    let Ok(text) = fs::read_to_string(&file) else {
        return Ok(Outcomes::default());
    };
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

fn judge(outcomes: &Outcomes, all: bool, told: &Path) -> Result<()> {
    say(format_args!(
        "Of {} changes to the code, tests noticed {}: {} %. {} more do not compile.",
        outcomes.all(),
        outcomes.noticed(),
        outcomes.score(),
        outcomes.unviable,
    ));
    let goal = if all { 100 } else { GOAL };
    if outcomes.score() < goal {
        bail!(
            "that is less than {goal} %: write tests that notice what {} lists, or say in .cargo/mutants.toml \
             why a change makes no difference",
            told.join("missed.txt").display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::root;

    #[test]
    fn outcomes_are_read_as_cargo_mutants_writes_them() {
        let json = r#"{"outcomes": [], "total_mutants": 7, "missed": 1, "caught": 3, "timeout": 1,
            "unviable": 2, "success": 0}"#;
        let outcomes: Outcomes = serde_json::from_str(json).unwrap();
        assert_eq!((outcomes.all(), outcomes.noticed()), (5, 4));
        assert_eq!(outcomes.score(), 80);
    }

    /// A file or a function that has another name now would leave nothing out, and one of [`SHORT`] change nothing.
    #[test]
    fn the_files_and_functions_that_are_named_exist() {
        let config = fs::read_to_string(root().join(".cargo/mutants.toml")).unwrap();
        let quoted = |line: &str, quote| line.split(quote).nth(1).map(str::to_owned);
        let globs: Vec<String> = config
            .lines()
            .filter_map(|line| quoted(line, '"').filter(|text| text.contains('/')))
            .chain(SHORT.map(str::to_owned))
            .collect();
        assert!(globs.len() > SHORT.len(), "{globs:?}");
        for glob in globs {
            let path = root().join(glob.trim_end_matches("/**"));
            assert!(path.exists(), "{}", path.display());
        }
        let folders = ["agent/core/src", "ebpf/datapath/src"].map(|folder| root().join(folder));
        let patterns: Vec<String> = config
            .lines()
            .filter_map(|line| quoted(line, '\''))
            .filter(|text| text.contains(" replace "))
            .collect();
        assert!(!patterns.is_empty());
        for pattern in patterns {
            let (file, change) = pattern.split_once("\\.rs").unwrap();
            let path = match change.rsplit_once(" in ") {
                Some((_, path)) => Some(path.trim_end_matches('$')),
                // What a function returns is replaced, or a constant's value, which is in no function.
                None => change
                    .split_once(" -> ")
                    .and_then(|(begin, _)| begin.rsplit_once(" replace "))
                    .map(|(_, path)| path),
            };
            let named = path.map(|path| format!("fn {}", path.rsplit("::").next().unwrap()));
            let found = folders
                .iter()
                .filter_map(|folder| fs::read_to_string(folder.join(format!("{file}.rs"))).ok())
                .any(|text| named.as_ref().is_none_or(|named| text.contains(named)));
            assert!(found, "{pattern}");
        }
    }

    #[test]
    fn too_few_noticed_changes_are_an_error_and_one_that_is_missed_is_where_all_count() {
        let of = |caught, missed| Outcomes {
            caught,
            missed,
            ..Outcomes::default()
        };
        let told = Path::new("mutants.out");
        assert!(judge(&of(90, 10), false, told).is_ok());
        assert!(judge(&of(89, 11), false, told).is_err());
        assert!(judge(&of(999, 1), true, told).is_err());
        assert!(judge(&of(5, 0), true, told).is_ok());
        assert!(judge(&of(0, 0), true, told).is_ok(), "nothing to change");
    }
}
