//! Problems between the agents, for the admin API.

use lb_core::report::Problem;
use std::collections::BTreeSet;
use tokio::sync::watch;

/// Writer of the list.
#[derive(Clone, Debug)]
pub(super) struct Problems(watch::Sender<BTreeSet<Problem>>);

impl Problems {
    pub(super) fn new() -> (Self, watch::Receiver<BTreeSet<Problem>>) {
        let (list, reader) = watch::channel(BTreeSet::new());
        (Self(list), reader)
    }

    /// Sets or clears the problem of `object`.
    pub(super) fn set(&self, object: &str, message: Option<String>) {
        self.0.send_if_modified(|list| {
            let next = message.map(|message| Problem {
                object: object.to_owned(),
                message,
            });
            let same = list.iter().find(|problem| problem.object == object) == next.as_ref();
            if !same {
                list.retain(|problem| problem.object != object);
                list.extend(next);
            }
            !same
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_per_object_and_news_only_when_there_are_any() {
        let (problems, mut reader) = Problems::new();
        problems.set("manager a", Some("x".into()));
        problems.set("manager a", Some("y".into()));
        assert_eq!(reader.borrow_and_update().len(), 1);
        problems.set("manager a", Some("y".into()));
        problems.set("manager b", None);
        assert!(!reader.has_changed().unwrap());
        problems.set("manager a", None);
        assert!(reader.borrow_and_update().is_empty());
    }
}
