//! What became of each test by each way, side by side.

use std::collections::BTreeMap;
use std::fmt;

/// Outcomes by test, then by way.
#[derive(Default)]
pub(super) struct Beside {
    ways: Vec<String>,
    tests: BTreeMap<String, BTreeMap<String, String>>,
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
                let by = self.tests.entry(test.to_owned()).or_default();
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
        for (test, by) in &self.tests {
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
        beside.add("ipvs", "ok b::x\nok a::y\n");
        beside.add("mesh", "failed a::y\n");
        beside.add("ipvs", "failed c::z\n");
        let expected =
            "ipvs    mesh    \nok      failed  a::y\nok      -       b::x\nfailed  -       c::z";
        assert_eq!(beside.to_string(), expected);
    }
}
