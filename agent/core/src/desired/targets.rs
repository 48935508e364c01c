//! Ports of tasks that differ from those that their service has by now.

use super::model::Frontend;
use super::{Number, share};
use crate::model::ids::Key;
use crate::model::snapshot::Service;
use crate::report::Problem;
use std::collections::BTreeMap;

/// Ports of tasks, by published port and task.
pub(super) type Targets = BTreeMap<(Number, Key), u16>;

/// Those of `targets` that are other ports than those of the frontends of `service`, and of the ports that are withdrawn from it,
/// as many as it can have; and the problem that there are more.
pub(super) fn differing(
    service: &Service,
    mut targets: Targets,
    frontends: &[Frontend],
    withdrawn: &[Frontend],
) -> (Targets, Option<Problem>) {
    if targets.is_empty() {
        return (targets, None);
    }
    let frontends: BTreeMap<Number, u16> = frontends
        .iter()
        .chain(withdrawn)
        .map(|frontend| ((frontend.published, frontend.proto), frontend.target))
        .collect();
    targets.retain(|(number, _), target| {
        let now = frontends.get(number);
        now.is_some_and(|now| now != target)
    });
    let over = targets.len().saturating_sub(share::TARGETS);
    while targets.len() > share::TARGETS {
        targets.pop_last();
    }
    let problem = (over != 0).then(|| Problem {
        object: format!("service {}", service.name),
        message: format!(
            "{over} times, a task of this node has another port than the service has by now, beyond the {} that a service can \
             have: new connections to it fail until the update has replaced it; update fewer ports at once",
            share::TARGETS
        ),
    });
    (targets, problem)
}
