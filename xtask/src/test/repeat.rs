//! `cargo xtask test --repeat N`: runs tests again and again, whatever fails, and shows which of them
//! failed how often. The log of each run stays.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::libtest::outcomes;
use super::table::Table;
use crate::process::{cargo, remove_tree, root, run, say, target_dir};

/// One call of `cargo test`: a name for its logs, and a selection of tests.
pub(super) struct Run {
    /// Part of its logs' names.
    name: &'static str,
    /// Cargo's arguments that select tests.
    selection: Vec<&'static str>,
}

impl Run {
    pub(super) fn of(name: &'static str, selection: &[&'static str]) -> Self {
        Self {
            name,
            selection: selection.to_vec(),
        }
    }
}

/// The number after `--repeat`.
pub(super) fn times(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("0 runs test nothing: give 1 or more".to_owned()),
        Ok(times) => Ok(times),
        Err(_) => Err("give a number of runs, as 20".to_owned()),
    }
}

/// Runs all of them so many times; an error if a test failed, or none ran.
pub(super) fn run_all(times: u32, runs: &[Run], filters: &[String]) -> Result<()> {
    let logs = target_dir().join("repeat");
    remove_tree(&logs)?;
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    for each in runs {
        // What does not build would fail in every run.
        run(cargo()
            .args(["test", "--locked", "--no-run"])
            .args(&each.selection))?;
    }
    let mut table = Table::default();
    for round in 1..=times {
        for each in runs {
            let log = logs.join(format!("{}-{round}.log", each.name));
            let begin = Instant::now();
            let (passed, failed) = once(each, filters, &log, &mut table)?;
            let (name, seconds) = (each.name, begin.elapsed().as_secs_f32());
            say(format_args!(
                "{name}, run {round} of {times}: {passed} passed, {failed} failed in {seconds:.1} s"
            ));
        }
    }
    if table.tests() == 0 {
        bail!("no test has such a name: {}", filters.join(", "));
    }
    say(&table);
    match table.failed() {
        0 => Ok(()),
        1 => bail!("one test of {} failed", table.tests()),
        many => bail!("{many} tests of {} failed", table.tests()),
    }
}

/// One run with its log; returns how many tests passed, and how many failed.
fn once(what: &Run, filters: &[String], log: &Path, table: &mut Table) -> Result<(usize, usize)> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut test = cargo();
    test.args(["test", "--locked", "--no-fail-fast", "--color", "never"]);
    test.args(&what.selection).arg("--").args(filters);
    let status = test
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .context("cannot start cargo")?;
    let text = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let outcomes = outcomes(&String::from_utf8_lossy(&text));
    let shown = log
        .strip_prefix(root())
        .unwrap_or(log)
        .display()
        .to_string();
    let counts = table.add(&outcomes, &shown);
    if !status.success() && counts.1 == 0 {
        bail!(
            "`cargo test` of {} failed ({status}), and no test did: {shown}",
            what.name
        );
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_at_all_is_refused_in_words() {
        assert_eq!(times("20"), Ok(20));
        assert_eq!(
            times("0").unwrap_err(),
            "0 runs test nothing: give 1 or more"
        );
        for odd in ["", "-1", "many", "1.5"] {
            assert_eq!(
                times(odd).unwrap_err(),
                "give a number of runs, as 20",
                "{odd}"
            );
        }
    }
}
