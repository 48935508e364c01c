//! Tables that the ports of a service share, and their numbers.

use super::*;
use crate::backend::Operation as _;
use crate::backend::ebpf::Op;
use crate::desired::{Backend, Frontend, Service as Served};
use crate::model::labels::Policy;
use std::sync::Arc;

/// A service with these tasks, and with TCP ports from `first` on.
fn service(tasks: std::ops::Range<u64>, first: u16, ports: u16) -> Served {
    let backend = Backend {
        address: Ipv4Addr::new(10, 0, 0, 2),
        locality: crate::desired::Locality::Remote,
        active: true,
    };
    let frontend = |published| Frontend {
        published,
        proto: Proto::Tcp,
        target: 80,
        barred: false,
    };
    Served {
        backends: tasks.map(|task| (Key(task), backend)).collect(),
        frontends: (first..first + ports).map(frontend).collect(),
        ..Served::default()
    }
}

fn of(services: &[(u64, &Served)]) -> Desired {
    let services = services.iter();
    Desired {
        host: Some(testing::host(Ipv4Addr::new(10, 0, 0, 1)).into()),
        services: services
            .map(|(key, service)| (Key(*key), Arc::new((*service).clone())))
            .collect(),
        ..Desired::default()
    }
}

/// What a new agent makes of it, which finds `have`.
fn adopted(desired: &Desired, have: &State) -> State {
    Lowered::default().update(desired, have).want
}

/// The number of the one table that these ports name.
fn table_of(state: &State, ports: std::ops::Range<u16>) -> u32 {
    let named: BTreeSet<u32> = ports
        .map(|port| state.frontends[&Port::new(Be16::new(port), TCP)].table)
        .collect();
    assert_eq!(named.len(), 1, "{named:?}");
    *named.first().unwrap()
}

fn slots(state: &State) -> usize {
    state.tables.values().map(Vec::len).sum()
}

#[test]
fn a_port_costs_no_table_of_its_own_and_a_changed_task_one_table_for_all_ports() {
    let mut many = service(100..102, 20_000, 1_100);
    many.policy = Policy::SourceHash;
    let have = adopted(&of(&[(9, &many)]), &State::default());
    assert_eq!((have.frontends.len(), have.tables.len()), (1_100, 1));
    assert_eq!(slots(&have), 251);
    let number = table_of(&have, 20_000..21_100);
    many.backends.extend(service(102..103, 0, 0).backends);
    let next = adopted(&of(&[(9, &many)]), &have);
    assert_ne!(table_of(&next, 20_000..21_100), number);
    let ops = plan(&next, &have, Prune::Allowed);
    let kinds = ops.iter().map(|op| match op {
        Op::PutTable(..) => "table",
        Op::PutFrontend(..) => "frontend",
        Op::RemoveTable(..) => "no table",
        _ => "other",
    });
    let mut kinds: Vec<&str> = kinds.filter(|kind| *kind != "other").collect();
    kinds.dedup();
    assert_eq!(kinds, ["table", "frontend", "no table"]);
    assert_eq!(ops.len(), 1 + 1 + 1_100 + 1, "with the task itself");
}

#[test]
fn who_publishes_many_ports_takes_no_room_that_another_service_needs_to_change_its_tasks() {
    let mut many = service(100..102, 20_000, 1_100);
    many.policy = Policy::SourceHash;
    let mut have = State::default();
    for tasks in [6, 9] {
        let other = service(200..200 + tasks, 8_080, 1);
        let want = adopted(&of(&[(9, &many), (10, &other)]), &have);
        let mut most = 0;
        for op in plan(&want, &have, Prune::Allowed) {
            op.apply_to(&mut have);
            most = most.max(slots(&have));
        }
        assert_eq!(have, want);
        assert!(most <= 251 + 6 + 9, "{most} places at once");
        let places = have.tables[&table_of(&have, 8_080..8_081)].len();
        assert_eq!(places, usize::try_from(tasks).unwrap());
    }
}

#[test]
fn a_new_agent_keeps_the_numbers_that_are_right_also_of_a_plan_that_was_not_done_to_its_end() {
    let before = of(&[
        (9, &service(100..102, 8_080, 4)),
        (10, &service(200..203, 9_090, 2)),
    ]);
    let have = adopted(&before, &State::default());
    assert_eq!(adopted(&before, &have), have);
    let after = of(&[
        (9, &service(100..103, 8_080, 4)),
        (10, &service(200..203, 9_090, 2)),
    ]);
    let want = adopted(&after, &have);
    assert_eq!(
        table_of(&want, 9_090..9_092),
        table_of(&have, 9_090..9_092),
        "of whom nothing changed"
    );
    let ops = plan(&want, &have, Prune::Allowed);
    for done in 0..=ops.len() {
        let mut halfway = have.clone();
        for op in &ops[..done] {
            op.apply_to(&mut halfway);
        }
        let named = |state: &State| {
            state
                .frontends
                .values()
                .any(|it| it.table == table_of(&want, 8_080..8_084))
        };
        let again = adopted(&after, &halfway);
        if named(&halfway) {
            assert_eq!(again, want, "after {done} steps");
        }
        // And a plan leads there, whatever has been done.
        for op in plan(&again, &halfway, Prune::Allowed) {
            op.apply_to(&mut halfway);
        }
        assert_eq!(halfway, again);
        assert_eq!((halfway.tables.len(), halfway.frontends.len()), (2, 6));
    }
}

#[test]
fn no_two_services_have_one_number_however_alike_their_keys_are() {
    // The numbers of all of them begin at one place.
    let services: Vec<Served> = (0..20u16)
        .map(|n| service(u64::from(n) * 10 + 1..u64::from(n) * 10 + 4, 8_000 + n, 1))
        .collect();
    let all: Vec<(u64, &Served)> = (1..).zip(&services).collect();
    let have = adopted(&of(&all), &State::default());
    assert_eq!(have.tables.len(), 20);
    // All change at once, step by step and anew.
    let changed: Vec<Served> = (0..20u16)
        .map(|n| service(u64::from(n) * 10 + 1..u64::from(n) * 10 + 5, 8_000 + n, 1))
        .collect();
    let changed: Vec<(u64, &Served)> = (1..).zip(&changed).collect();
    let stepwise = Lowered::default().update(&of(&all), &State::default());
    let stepwise = stepwise.update(&of(&changed), &have).want;
    assert_eq!(stepwise, adopted(&of(&changed), &have));
    assert_eq!(stepwise.tables.len(), 20);
    for number in stepwise.tables.keys() {
        assert!(*number != 0 && !have.tables.contains_key(number));
    }
    for (_, frontend) in &stepwise.frontends {
        let service = stepwise.tables[&frontend.table].iter();
        let mut services = service.map(|task| stepwise.backends[task].service);
        assert!(services.all(|service| service == frontend.service));
    }
}

#[test]
fn a_port_that_passes_to_another_service_leaves_its_old_services_table_alone() {
    let (first, second) = (service(1..3, 8_080, 2), service(11..13, 8_090, 1));
    let have = adopted(&of(&[(1, &first), (2, &second)]), &State::default());
    let (mut first, mut second) = (first, second);
    second.frontends.extend(first.frontends.pop());
    let want = Lowered::default()
        .update(
            &of(&[
                (1, &service(1..3, 8_080, 2)),
                (2, &service(11..13, 8_090, 1)),
            ]),
            &State::default(),
        )
        .update(&of(&[(1, &first), (2, &second)]), &have)
        .want;
    assert_eq!(
        want.tables, have.tables,
        "the same tasks have the same tables"
    );
    assert_eq!(want, adopted(&of(&[(1, &first), (2, &second)]), &have));
    let number = |port: u16| want.frontends[&Port::new(Be16::new(port), TCP)].table;
    assert_eq!(number(8_081), number(8_090));
    assert_ne!(number(8_081), number(8_080));
}
