//! What a router makes of the messages is what the agent has.

use super::*;
use lb_core::model::ids::Key;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn task(number: u8, active: bool) -> RoutedTask {
    RoutedTask {
        id: format!("t{number}").as_str().into(),
        key: Key(number.into()),
        node: "node1".to_owned(),
        local: number == 1,
        active,
    }
}

fn service(tasks: Vec<RoutedTask>) -> Arc<RoutedService> {
    let label = ("com.docker.lb.hosts".to_owned(), "a.example".to_owned());
    Arc::new(RoutedService {
        name: "web".to_owned(),
        created_ns: 7,
        labels: Arc::new([label].into()),
        tasks,
    })
}

fn routed(tasks: Vec<RoutedTask>) -> Routed {
    [("s".into(), service(tasks))].into()
}

/// A router that does what it is told.
#[derive(Debug, Default)]
struct Router {
    version: Option<u64>,
    services: BTreeMap<String, Service>,
    leaving: BTreeSet<u64>,
}

impl Router {
    fn take(&mut self, message: ToRouter) {
        match message {
            ToRouter::View(view) => {
                self.version = Some(view.version);
                let services = view.services.into_iter();
                self.services = services
                    .map(|service| (service.id.clone(), service))
                    .collect();
                self.leaving.clear();
            }
            ToRouter::Change(change) => {
                assert_eq!(self.version, Some(change.from), "it follows");
                assert!(change.to > change.from);
                self.version = Some(change.to);
                for id in change.removed {
                    assert!(self.services.remove(&id).is_some());
                }
                for service in change.services {
                    for task in &service.tasks {
                        self.leaving.remove(&task.key);
                    }
                    self.services.insert(service.id.clone(), service);
                }
            }
            ToRouter::Leaving(tasks) => self.leaving.extend(tasks),
            other => panic!("{other:?}"),
        }
    }

    /// Tasks that get new requests.
    fn active(&self) -> BTreeSet<u64> {
        let tasks = self.services.values().flat_map(|service| &service.tasks);
        let active = tasks.filter(|task| !task.leaving && !self.leaving.contains(&task.key));
        active.map(|task| task.key).collect()
    }
}

fn active(services: &Routed) -> BTreeSet<u64> {
    let tasks = services.values().flat_map(|service| &service.tasks);
    tasks
        .filter(|task| task.active)
        .map(|task| task.key.0)
        .collect()
}

#[test]
fn first_comes_a_whole_view_with_the_addresses_of_tasks() {
    let view = RoutedView::first(
        &routed(vec![task(1, true), task(2, false)]),
        &TaskAddresses::ByKey,
    );
    let mut feed = Feed::default();
    let [ToRouter::View(sent)] = &feed.next(&view)[..] else {
        panic!("one whole view");
    };
    let task = |key, local, leaving| Task {
        key,
        id: format!("t{key}"),
        address: format!("fdb4:2e91:7ac3::{key}").parse().unwrap(),
        node: "node1".to_owned(),
        local,
        leaving,
    };
    let expected = Service {
        id: "s".to_owned(),
        name: "web".to_owned(),
        created_ns: 7,
        labels: service(vec![]).labels.as_ref().clone(),
        tasks: vec![task(1, true, false), task(2, false, true)],
    };
    assert_eq!(
        (sent.version, sent.services.as_slice()),
        (1, [expected].as_slice())
    );
    assert_eq!(feed.next(&view), [], "it has that");
    feed.restart();
    assert_eq!(feed.next(&view).len(), 1, "whole again");
}

#[test]
fn a_task_that_leaves_is_named_ahead_of_the_change_and_once() {
    let mut feed = Feed::default();
    let before = RoutedView::first(
        &routed(vec![task(1, true), task(2, true)]),
        &TaskAddresses::ByKey,
    );
    feed.next(&before);
    let next = routed(vec![task(1, true), task(2, false)]);
    let ahead = before.ahead_of(&next).unwrap();
    assert_eq!(ahead.version, before.version);
    assert_eq!(feed.next(&ahead), [ToRouter::Leaving(vec![2])]);
    let after = ahead.followed_by(&next, &TaskAddresses::ByKey);
    let messages = feed.next(&after);
    assert!(
        matches!(&messages[..], [ToRouter::Change(_)]),
        "{messages:?}"
    );
    assert!(
        after.ahead_of(&next).is_none()
            && after.followed_by(&next, &TaskAddresses::ByKey).version == after.version
    );
    // Who missed that is told it all the same; of a service that is gone, too.
    let gone = after.followed_by(&Routed::default(), &TaskAddresses::ByKey);
    let messages = feed.next(&gone);
    let change = Change {
        from: after.version,
        to: gone.version,
        services: vec![],
        removed: vec!["s".to_owned()],
    };
    assert_eq!(
        messages,
        [ToRouter::Leaving(vec![1]), ToRouter::Change(change)]
    );
}

#[test]
fn a_pass_that_fails_after_a_task_left_does_not_bring_it_back() {
    let both = routed(vec![task(1, true), task(2, true)]);
    let before = RoutedView::first(&both, &TaskAddresses::ByKey);
    let ahead = before.ahead_of(&routed(vec![task(1, true)])).unwrap();
    // A router that comes in between has it as leaving, and is told when it is not.
    let mut feed = Feed::default();
    let mut router = Router::default();
    feed.next(&ahead)
        .into_iter()
        .for_each(|message| router.take(message));
    assert_eq!(router.active(), [1].into());
    let back = ahead.followed_by(&both, &TaskAddresses::ByKey);
    feed.next(&back)
        .into_iter()
        .for_each(|message| router.take(message));
    assert_eq!(router.active(), [1, 2].into());
}

fn services() -> impl Strategy<Value = Routed> {
    // Each task is one service's.
    let tasks = |first: u8| btree_map(first..first + 3, any::<bool>(), 0..3);
    let services = (tasks(1), tasks(4), tasks(7), any::<[bool; 3]>());
    services.prop_map(|(one, two, three, there)| {
        let all = [one, two, three].into_iter().zip(there).zip(0..);
        let there = all.filter(|((_, there), _)| *there);
        let made = there.map(|((tasks, _), number): ((BTreeMap<u8, bool>, bool), u8)| {
            let tasks = tasks
                .into_iter()
                .map(|(number, active)| task(number, active));
            (
                format!("s{number}").as_str().into(),
                service(tasks.collect()),
            )
        });
        made.collect()
    })
}

proptest! {
    #[test]
    fn a_router_has_what_the_agent_has_whatever_it_skips(
        steps in vec((services(), any::<[bool; 3]>()), 1..12),
    ) {
        let mut view = RoutedView::first(&Routed::default(), &TaskAddresses::ByKey);
        let (mut feed, mut router) = (Feed::default(), Router::default());
        for (next, [looks_ahead, looks_after, resends]) in steps {
            if let Some(ahead) = view.ahead_of(&next) {
                view = ahead;
                if looks_ahead {
                    feed.next(&view).into_iter().for_each(|message| router.take(message));
                    prop_assert!(router.active().is_disjoint(&view.leaving));
                }
            }
            view = view.followed_by(&next, &TaskAddresses::ByKey);
            if resends {
                feed.restart();
            }
            if looks_after {
                feed.next(&view).into_iter().for_each(|message| router.take(message));
                prop_assert_eq!(router.version, Some(view.version));
                prop_assert_eq!(router.active(), active(&next));
                prop_assert_eq!(router.services.len(), next.len());
            }
        }
    }
}
