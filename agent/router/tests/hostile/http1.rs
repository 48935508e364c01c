//! Every case of the table, by HTTP/1.1.

use super::cases::{self, Case, Expected};
use super::site::{Outcome, Site};
use std::collections::BTreeSet;

#[test]
fn what_two_programs_could_read_in_two_ways_reaches_no_task() {
    let mut site = match Site::start() {
        Ok(site) => site,
        Err(why) => return lb_support::not_tested("the table of hostile requests", &why),
    };
    let cases = cases::all();
    assert!(cases.len() >= 250, "{} cases", cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "names are used twice");
    let mut wrong = Vec::new();
    for case in &cases {
        let length = case.bytes.len();
        // At once; then in four pieces, of which the third ends with the first byte of what follows.
        for cuts in [vec![], vec![length / 2, length - 1, length + 1]] {
            let outcome = site.send(&case.bytes, &cuts);
            let outcome = outcome.and_then(|outcome| as_expected(case, &outcome));
            if let Err(why) = outcome {
                wrong.push(format!("{} ({}), {cuts:?}: {why}", case.name, case.section));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// Has become of it what had to?
pub(crate) fn as_expected(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let statuses: Vec<u16> = outcome.answers.iter().map(|it| it.status).collect();
    let own = outcome.answers.iter().take_while(|it| it.record.is_none());
    let own = own.count();
    let nothing = outcome.forwarded.is_empty() && outcome.parts.is_empty();
    let good = match &case.expected {
        Expected::Refused(status) => {
            statuses.first() == Some(status)
                && nothing
                && own >= 1
                && statuses.len() == 1 + usize::from(outcome.next)
        }
        Expected::Passes {
            method,
            target,
            body,
            closes,
        } => match outcome.forwarded.as_slice() {
            [read] => {
                let same = read.method == *method && read.target == *target && read.body == *body;
                same && read.hosts == ["a.test"]
                    && outcome.parts.is_empty()
                    && own == 0
                    && outcome.next != *closes
                    && statuses.iter().all(|status| *status == 200)
            }
            _ => false,
        },
        Expected::Cut => outcome.forwarded.is_empty() && !outcome.next,
        Expected::Closed => nothing && !outcome.next && statuses.is_empty(),
    };
    let forged = outcome.bytes.windows(6).any(|at| at == b"forged");
    if good && !forged {
        return Ok(());
    }
    Err(format!(
        "expected {:?}, but {:?}, and the task got {}, next: {}",
        case.expected,
        outcome.answers,
        outcome.bytes.escape_ascii(),
        outcome.next
    ))
}
