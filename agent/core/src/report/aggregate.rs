//! Aggregates the counters of all nodes.
//!
//! Each agent counts what arrived at its own node, so the sum counts nothing twice.

use crate::model::ids::{ServiceId, TaskId};
use crate::report::{HttpStats, ServiceStats, Stats, TaskStats};
use std::collections::BTreeMap;

/// Counters of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Host name of the node.
    pub hostname: String,
    /// Its traffic.
    pub stats: Stats,
}

/// Sums `answers` per task and service; `missing` are the host names of nodes without an answer.
#[must_use]
pub fn aggregate(answers: Vec<Answer>, mut missing: Vec<String>) -> Stats {
    let mut services: BTreeMap<ServiceId, (ServiceStats, BTreeMap<TaskId, TaskStats>)> =
        BTreeMap::new();
    let mut http: Option<HttpStats> = None;
    for Answer { hostname, stats } in answers {
        missing.extend(stats.missing);
        if let Some(theirs) = stats.http {
            http.get_or_insert_default().add(theirs);
        }
        for mut theirs in stats.services {
            let tasks = std::mem::take(&mut theirs.tasks);
            let ours = match services.entry(theirs.id.clone()) {
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert((theirs, BTreeMap::new()))
                }
                std::collections::btree_map::Entry::Occupied(taken) => {
                    let ours = taken.into_mut();
                    ours.0.total.add(&theirs.total);
                    // A node that lags behind may not know the ports yet.
                    if ours.0.ports.is_empty() {
                        ours.0.ports = theirs.ports;
                    }
                    ours
                }
            };
            for task in tasks {
                add_task(&mut ours.1, task, &hostname);
            }
        }
    }
    missing.sort();
    missing.dedup();
    let mut services: Vec<ServiceStats> = services
        .into_values()
        .map(|(mut service, tasks)| {
            service.tasks = tasks.into_values().collect();
            service
                .tasks
                .sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
            service
        })
        .collect();
    services.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Stats {
        scope: "cluster".to_owned(),
        missing,
        services,
        http,
    }
}

/// State and address differ by the node that tells them; the task's own node knows best.
fn add_task(tasks: &mut BTreeMap<TaskId, TaskStats>, theirs: TaskStats, hostname: &str) {
    match tasks.get_mut(&theirs.id) {
        None => {
            tasks.insert(theirs.id.clone(), theirs);
        }
        Some(ours) => {
            let mut counters = ours.counters;
            counters.add(&theirs.counters);
            if theirs.node == hostname {
                *ours = theirs;
            }
            ours.counters = counters;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Counters;
    use proptest::prelude::*;

    fn counters(new: u64) -> Counters {
        Counters {
            new,
            active: new / 2,
            packets_in: new * 3,
            ..Counters::default()
        }
    }

    fn answer(hostname: &str, tasks: &[(&str, u64)], gone: u64) -> Answer {
        let mut total = counters(gone);
        let tasks = tasks
            .iter()
            .map(|(id, new)| {
                total.add(&counters(*new));
                TaskStats {
                    id: (*id).into(),
                    name: format!("vote.{id}"),
                    node: "node1".into(),
                    state: if hostname == "node1" { "own" } else { "far" }.into(),
                    counters: counters(*new),
                    ..TaskStats::default()
                }
            })
            .collect();
        Answer {
            hostname: hostname.to_owned(),
            stats: Stats {
                scope: "node".into(),
                missing: Vec::new(),
                services: vec![ServiceStats {
                    id: "s".into(),
                    name: "vote".into(),
                    total,
                    tasks,
                    ..ServiceStats::default()
                }],
                http: Some(HttpStats::default()),
            },
        }
    }

    #[test]
    fn sums_per_task_and_service_and_names_who_is_missing() {
        let merged = aggregate(
            vec![
                answer("node2", &[("1", 2)], 0),
                answer("node1", &[("1", 5), ("2", 7)], 100),
            ],
            vec!["node4".into(), "node3".into(), "node4".into()],
        );
        assert_eq!(merged.scope, "cluster");
        assert_eq!(merged.missing, ["node3", "node4"]);
        let service = &merged.services[0];
        assert_eq!(service.tasks[0].counters.new, 7);
        assert_eq!(service.tasks[0].state, "own");
        assert_eq!(service.tasks[1].counters.new, 7);
        assert_eq!(service.total.new, 114);
        assert_eq!(merged.http, Some(HttpStats::default()));
    }

    proptest! {
        #[test]
        fn the_order_of_answers_does_not_matter(loads in prop::collection::vec(0_u64..1000, 1..8)) {
            let answers: Vec<Answer> = loads
                .iter()
                .enumerate()
                .map(|(n, load)| answer(&format!("node{n}"), &[("1", *load)], *load))
                .collect();
            let mut turned = answers.clone();
            turned.reverse();
            let merged = aggregate(answers, Vec::new());
            prop_assert_eq!(&merged, &aggregate(turned, Vec::new()));
            prop_assert_eq!(merged.services[0].total.new, loads.iter().sum::<u64>() * 2);
        }
    }
}
