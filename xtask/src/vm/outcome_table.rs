//! Outcomes of tests as a table: a row for each test, under the scenario that it shows, and a column for each datapath.

use std::collections::BTreeMap;
use std::fmt;

use super::scenarios::{self, SCENARIOS};

/// Outcomes by test, then by datapath.
#[derive(Default)]
pub(super) struct OutcomeTable {
    datapaths: Vec<String>,
    /// Sorted by the index of the test's scenario; tests without a scenario are last.
    tests: BTreeMap<(usize, String), BTreeMap<String, String>>,
}

impl OutcomeTable {
    /// Adds the content of a `--logfile` of libtest: each line has an outcome and a test's name.
    pub(super) fn add(&mut self, datapath: &str, log: &str) {
        // More than one suite may run by the same datapath.
        if !self.datapaths.iter().any(|known| known == datapath) {
            self.datapaths.push(datapath.to_owned());
        }
        for line in log.lines() {
            if let Some((outcome, test)) = line.split_once(' ') {
                let scenario = scenarios::of(test).unwrap_or(SCENARIOS.len());
                let by = self.tests.entry((scenario, test.to_owned())).or_default();
                by.insert(datapath.to_owned(), outcome.to_owned());
            }
        }
    }
}

impl fmt::Display for OutcomeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for datapath in &self.datapaths {
            write!(f, "{datapath:<8}")?;
        }
        let mut last = None;
        for ((scenario, test), by) in &self.tests {
            if last != Some(scenario) {
                let what = SCENARIOS
                    .get(*scenario)
                    .map_or("besides", |found| found.what);
                write!(f, "\n{what}:")?;
                last = Some(scenario);
            }
            writeln!(f)?;
            for datapath in &self.datapaths {
                let outcome = by.get(datapath).map_or("-", String::as_str);
                write!(f, "{outcome:<8}")?;
            }
            f.write_str(test)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_has_a_row_with_its_outcome_by_each_datapath() {
        let mut table = OutcomeTable::default();
        let known = SCENARIOS[0].tests[0];
        table.add("ipvs", &format!("ok b::x\nok {known}\n"));
        table.add("mesh", &format!("failed {known}\n"));
        table.add("ipvs", "failed c::z\n");
        let expected = format!(
            "ipvs    mesh    \n{}:\nok      failed  {known}\nbesides:\nok      -       b::x\nfailed  -       c::z",
            SCENARIOS[0].what
        );
        assert_eq!(table.to_string(), expected);
    }
}
