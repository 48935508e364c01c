//! `lbctl check`.

use crate::human::plural;
use crate::table::{self, words};
use lb_core::report::{Check, Problem};

pub(crate) fn text(check: &Check) -> String {
    table(&check.problems)
}

/// Problems, with their number.
pub(crate) fn table(problems: &[Problem]) -> String {
    if problems.is_empty() {
        return "no problems found\n".to_owned();
    }
    let rows: Vec<Vec<String>> = problems
        .iter()
        .map(|problem| vec![problem.object.clone(), problem.message.clone()])
        .collect();
    let table = table::text(&[words("OBJECT"), words("PROBLEM")], &rows, None);
    format!("{table}\n{} found\n", plural(rows.len(), "problem"))
}
