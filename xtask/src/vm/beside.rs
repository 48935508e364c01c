//! What became of each test by each way, side by side, under what it shows.

use std::collections::BTreeMap;
use std::fmt;

use super::scenarios::{self, SCENARIOS};

/// Outcomes by test, then by way.
#[derive(Default)]
pub(super) struct Beside {
    ways: Vec<String>,
    /// By the place of the test's scenario first; those without one are last.
    tests: BTreeMap<(usize, String), BTreeMap<String, String>>,
}

impl Beside {
    /// Adds what libtest's `--logfile` says: an outcome and a test's name a line.
    pub(super) fn add(&mut self, way: &str, told: &str) {
        // More than one suite may go the same way.
        if !self.ways.iter().any(|known| known == way) {
            self.ways.push(way.to_owned());
        }
        for line in told.lines() {
            if let Some((outcome, test)) = line.split_once(' ') {
                let place = scenarios::of(test).unwrap_or(SCENARIOS.len());
                let by = self.tests.entry((place, test.to_owned())).or_default();
                by.insert(way.to_owned(), outcome.to_owned());
            }
        }
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for way in &self.ways {
            write!(f, "{way:<8}")?;
        }
        let mut last = None;
        for ((place, test), by) in &self.tests {
            if last != Some(place) {
                let what = SCENARIOS.get(*place).map_or("besides", |found| found.what);
                write!(f, "\n{what}:")?;
                last = Some(place);
            }
            writeln!(f)?;
            for way in &self.ways {
                let outcome = by.get(way).map_or("-", String::as_str);
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
    fn each_test_has_a_line_with_what_became_of_it_by_each_way() {
        let mut beside = Beside::default();
        let known = SCENARIOS[0].tests[0];
        beside.add("ipvs", &format!("ok b::x\nok {known}\n"));
        beside.add("mesh", &format!("failed {known}\n"));
        beside.add("ipvs", "failed c::z\n");
        let expected = format!(
            "ipvs    mesh    \n{}:\nok      failed  {known}\nbesides:\nok      -       b::x\nfailed  -       c::z",
            SCENARIOS[0].what
        );
        assert_eq!(beside.to_string(), expected);
    }
}
