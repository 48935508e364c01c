//! What the table makes of each route with one request: for people who ask why another route answers.

use super::{Entry, EntryPoint, Table};
use crate::rule::{Request, Rule};

/// What becomes of a route with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It answers: what [`Table::find`] finds.
    Answers,
    /// Its rule matches, and the route that answers has a higher rank.
    Outranked,
    /// It is not served on the port.
    OtherEntryPoint,
    /// Its rule does not match: these parts of it.
    Unmatched(Vec<&'a Rule>),
}

impl Table {
    /// What becomes of each route that there is for the host of a request, by falling rank.
    #[must_use]
    pub fn outcomes(
        &self,
        entry_point: EntryPoint,
        request: &Request<'_>,
    ) -> Vec<(&Entry, Outcome<'_>)> {
        let found = self.find(entry_point, request);
        let of_host = self.entries().filter(|entry| {
            let rule = &entry.route.rule;
            rule.may_match_host(request.host)
        });
        let answers = |entry| found.is_some_and(|found| std::ptr::eq(found, entry));
        of_host
            .map(|entry| {
                let unmatched = entry.route.rule.unmatched(request);
                let outcome = if answers(entry) {
                    Outcome::Answers
                } else if !unmatched.is_empty() {
                    Outcome::Unmatched(unmatched)
                } else if !entry.route.entry_points.has(entry_point) {
                    Outcome::OtherEntryPoint
                } else {
                    Outcome::Outranked
                };
                (entry, outcome)
            })
            .collect()
    }
}
