use super::*;
use crate::ids::Key;
use crate::kernel::Kernel;
use crate::kernel::fake::FakeKernel;
use crate::state::{Hook, HookKind};
use lb_abi::service::{Backend, Frontend, Port};
use lb_abi::settings::{Settings, Uplink};
use lb_abi::{Be16, Be32, TCP};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

fn port() -> impl Strategy<Value = Port> {
    (1u16..20).prop_map(|number| Port::new(Be16::new(number), TCP))
}

/// A consistent state: tables of known tasks, frontends of known tables.
fn state() -> impl Strategy<Value = State> {
    let backends = btree_map((1u64..30).prop_map(Key), (1u32..9, 0u32..2, 1u64..4), 0..12);
    let frontends = btree_map(
        port(),
        (1u16..9, 0u32..5, vec(any::<prop::sample::Index>(), 0..5)),
        0..6,
    );
    let facts = (
        btree_set(1u32..9, 0..4),
        btree_set(1u32..9, 0..4),
        btree_set(1u32..5, 0..3),
        any::<bool>(),
    );
    (backends, frontends, facts).prop_map(
        |(backends, frontends, (addresses, peers, links, known))| {
            let mut state = State::default();
            for (key, (address, place, service)) in backends {
                state.services.insert(Key(service));
                state
                    .backends
                    .insert(key, Backend::new(Be32::new(address), place, service));
            }
            let keys: Vec<Key> = state.backends.keys().copied().collect();
            for (port, (target, table, picks)) in frontends {
                let tasks: Vec<Key> = if keys.is_empty() {
                    vec![]
                } else {
                    picks.iter().map(|pick| *pick.get(&keys)).collect()
                };
                let count = u32::try_from(tasks.len()).unwrap();
                state
                    .frontends
                    .insert(port, Frontend::new(Be16::new(target), count, table, 1));
                if count != 0 {
                    state.tables.insert((port, table), tasks);
                }
            }
            state.addresses = addresses.into_iter().map(Into::into).collect();
            state.peers = peers.into_iter().map(Into::into).collect();
            state.uplinks = links
                .iter()
                .map(|link| (*link, Uplink::new([2; 6])))
                .collect();
            state.hooks = links
                .into_iter()
                .map(|link| Hook {
                    kind: HookKind::UplinkTc,
                    link,
                })
                .collect();
            state.settings = known.then(|| Settings {
                network: 0,
                node: Be32::new(1),
                tunnel_port: Be16::new(6081),
                zero: [0; 6],
                uplink: 1,
                mtu: 1500,
                bridge: 2,
            });
            state
        },
    )
}

/// Two states as one agent would see them: a table's number never stands for other
/// tasks than it did while a frontend names it.
fn pair() -> impl Strategy<Value = (State, State)> {
    (state(), state()).prop_map(|(mut want, have)| {
        for (port, frontend) in &mut want.frontends {
            let Some(tasks) = want.tables.remove(&(*port, frontend.table)) else {
                continue;
            };
            while have
                .tables
                .get(&(*port, frontend.table))
                .is_some_and(|had| *had != tasks)
            {
                frontend.table += 1;
            }
            want.tables.insert((*port, frontend.table), tasks);
        }
        (want, have)
    })
}

fn consistent(state: &State) -> Result<(), TestCaseError> {
    for (port, frontend) in &state.frontends {
        if frontend.count == 0 {
            continue;
        }
        let tasks = state.tables.get(&(*port, frontend.table));
        prop_assert_eq!(
            tasks.map(Vec::len),
            Some(frontend.count as usize),
            "table of {:?}",
            port
        );
    }
    for tasks in state.tables.values() {
        for task in tasks {
            prop_assert!(state.backends.contains_key(task), "task {}", task);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn nothing_to_do_is_an_empty_plan(state in state()) {
        prop_assert_eq!(plan(&state, &state, Gate::Open), vec![]);
    }

    #[test]
    fn a_plan_leads_from_have_to_want((want, have) in pair()) {
        let mut kernel = FakeKernel::holding(have.clone());
        for op in plan(&want, &have, Gate::Open) {
            kernel.apply(&op).unwrap();
        }
        let mut got = kernel.observe().unwrap();
        if want.settings.is_none() {
            got.settings = None; // settings are never taken away: without hooks they do nothing
        }
        prop_assert_eq!(got, want);
    }

    #[test]
    fn every_prefix_of_a_plan_is_consistent((want, have) in pair()) {
        let mut kernel = FakeKernel::holding(have.clone());
        for op in plan(&want, &have, Gate::Open) {
            kernel.apply(&op).unwrap();
            consistent(&kernel.observe().unwrap())?;
        }
    }

    #[test]
    fn an_incomplete_view_removes_nothing((want, have) in pair()) {
        for op in plan(&want, &have, Gate::AddOnly) {
            let removes = matches!(
                op,
                Op::RemoveUplink(_) | Op::RemoveAddress(_) | Op::RemovePeer(_) | Op::RemoveService(_) | Op::RemoveBackend(..)
                    | Op::RemoveTable(..) | Op::RemoveFrontend(_) | Op::Detach(_) | Op::Sweep
            );
            prop_assert!(!removes, "{}", op);
        }
    }
}
