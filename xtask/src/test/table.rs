//! Sum of the logs of many runs: how often each test ran, and in which runs it failed. Pure.

use std::collections::BTreeMap;
use std::fmt;

use super::libtest::Outcome;

/// Runs and failures of each test.
#[derive(Default)]
pub(super) struct Table {
    rows: BTreeMap<String, Row>,
}

#[derive(Default)]
struct Row {
    runs: usize,
    /// One for each failure.
    logs: Vec<String>,
}

impl Table {
    /// Adds what a log tells; returns how many tests passed, and how many failed.
    pub(super) fn add(&mut self, outcomes: &[Outcome], log: &str) -> (usize, usize) {
        for outcome in outcomes {
            let row = self.rows.entry(outcome.test.clone()).or_default();
            row.runs += 1;
            if !outcome.passed {
                row.logs.push(log.to_owned());
            }
        }
        let passed = outcomes.iter().filter(|outcome| outcome.passed).count();
        (passed, outcomes.len() - passed)
    }

    /// Number of tests that ran at least once.
    pub(super) fn tests(&self) -> usize {
        self.rows.len()
    }

    /// Number of tests that failed in at least one run.
    pub(super) fn failed(&self) -> usize {
        let failed = |row: &&Row| !row.logs.is_empty();
        self.rows.values().filter(failed).count()
    }
}

impl fmt::Display for Table {
    /// Tests that failed most often come last: there a terminal ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<(&String, &Row)> = self.rows.iter().collect();
        rows.sort_by_key(|(_, row)| row.logs.len());
        let names = rows.iter().map(|(name, _)| name.chars().count());
        let width = names.max().unwrap_or_default().max("test".len());
        write!(f, "{:width$}  runs  failures  logs of failures", "test")?;
        for (name, row) in rows {
            let failures = row.logs.len();
            write!(f, "\n{name:width$}  {:>4}  {failures:>8}", row.runs)?;
            for (at, log) in row.logs.iter().enumerate() {
                // Under the first, for a line of each.
                match at {
                    0 => write!(f, "  {log}")?,
                    _ => write!(f, "\n{:margin$}{log}", "", margin = width + 18)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_runs_and_names_a_log_for_each_failure() {
        let of = |test: &str, passed| Outcome {
            test: test.to_owned(),
            passed,
        };
        let mut table = Table::default();
        assert_eq!(
            table.add(&[of("a: x", false), of("a: yy", true)], "1.log"),
            (1, 1)
        );
        assert_eq!(
            table.add(&[of("a: x", false), of("a: yy", true)], "2.log"),
            (1, 1)
        );
        assert_eq!(table.add(&[of("a: x", true)], "3.log"), (1, 0));
        assert_eq!((table.tests(), table.failed()), (2, 1));
        assert_eq!(
            table.to_string().lines().collect::<Vec<_>>(),
            [
                "test   runs  failures  logs of failures",
                "a: yy     2         0",
                "a: x      3         2  1.log",
                "                       2.log",
            ]
        );
    }
}
