use super::super::{Hook, HookKind};
use super::*;
use crate::backend::execute;
use crate::kernel::Kernel;
use crate::kernel::fake::FakeKernel;
use crate::model::ids::Key;
use lb_abi::service::{Backend, Frontend, Port, RESTRICTED};
use lb_abi::settings::{Settings, Uplink};
use lb_abi::tunnel::{TokenKey, TokenKeys};
use lb_abi::{Be16, Be32, TCP};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use std::net::Ipv4Addr;

fn port() -> impl Strategy<Value = Port> {
    (1u16..20).prop_map(|number| Port::new(Be16::new(number), TCP))
}

/// Networks that ports may be restricted to, and below, clients in some of them and in none.
const NETWORKS: [&str; 3] = ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24"];
const CLIENTS: [[u8; 4]; 4] = [
    [10, 2, 0, 1],
    [10, 1, 0, 1],
    [192, 0, 2, 1],
    [203, 0, 113, 1],
];

/// A consistent state: tables of known tasks, frontends of known tables.
fn state() -> impl Strategy<Value = State> {
    let backends = btree_map((1u64..30).prop_map(Key), (1u32..9, 0u32..2, 1u64..4), 0..12);
    let frontends = btree_map(
        port(),
        (
            1u16..9,
            0u32..5,
            vec(any::<prop::sample::Index>(), 0..5),
            proptest::option::of(btree_set(0..NETWORKS.len(), 0..3)),
        ),
        0..6,
    );
    let facts = (
        btree_set(1u32..9, 0..4),
        btree_map(1u32..9, 0u8..3, 0..4),
        btree_set(1u32..5, 0..3),
        btree_map(1u32..9, 1u32..4, 0..3),
        btree_map(1u32..9, 1u64..30, 0..5),
        any::<bool>(),
    );
    (backends, frontends, facts).prop_map(
        |(backends, frontends, (addresses, peers, links, endpoints, task_addresses, known))| {
            let mut state = State::default();
            for (key, (address, place, service)) in backends {
                state.services.insert(Key(service));
                state
                    .backends
                    .insert(key, Backend::new(Be32::new(address), place, service));
            }
            let keys: Vec<Key> = state.backends.keys().copied().collect();
            for (port, (target, table, picks, networks)) in frontends {
                let tasks: Vec<Key> = if keys.is_empty() {
                    vec![]
                } else {
                    picks.iter().map(|pick| *pick.get(&keys)).collect()
                };
                let count = u32::try_from(tasks.len()).unwrap();
                let mut frontend = Frontend::new(Be16::new(target), count, table, 1);
                if let Some(networks) = networks {
                    frontend.flags = RESTRICTED;
                    let networks = networks.into_iter().map(|n| NETWORKS[n].parse().unwrap());
                    state
                        .allowed
                        .extend(networks.map(|network| (port, network)));
                }
                state.frontends.insert(port, frontend);
                if count != 0 {
                    state.tables.insert((port, table), tasks);
                }
            }
            state.addresses = addresses.into_iter().map(Into::into).collect();
            state.endpoints = endpoints
                .into_iter()
                .map(|(address, port)| (address.into(), port))
                .collect();
            state.task_addresses = task_addresses
                .into_iter()
                .map(|(address, task)| (address.into(), Key(task)))
                .collect();
            let key = |peer| TokenKey::new([peer; 16]);
            state.peers = peers
                .into_iter()
                .map(|(peer, by)| (peer.into(), TokenKeys::new(0, key(by), key(9))))
                .collect();
            state.token_keys = known.then(|| TokenKeys::new(0, key(7), key(8)));
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
                mac: [2; 6],
                flags: 0,
                epoch: 0,
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

/// May a client open connections to a port? None where nobody answers it.
fn admits(state: &State, port: &Port, client: Ipv4Addr) -> Option<bool> {
    let frontend = state.frontends.get(port)?;
    let mut allowed = state.allowed.iter();
    let named = allowed.any(|(at, network)| at == port && network.contains(&client));
    Some(frontend.flags & RESTRICTED == 0 || named)
}

proptest! {
    #[test]
    fn nothing_to_do_is_an_empty_plan(state in state()) {
        prop_assert_eq!(plan(&state, &state, Prune::Allowed), vec![]);
    }

    #[test]
    fn a_plan_leads_from_have_to_want((want, have) in pair()) {
        let mut kernel = FakeKernel::of(have.clone());
        for op in plan(&want, &have, Prune::Allowed) {
            kernel.apply(&op).unwrap();
        }
        let mut got = kernel.observe().unwrap();
        if want.settings.is_none() {
            got.settings = None; // settings are never taken away: without hooks they do nothing
        }
        if want.token_keys.is_none() {
            got.token_keys = None; // nor are keys: who has none yet draws some
        }
        prop_assert_eq!(got, want);
    }

    #[test]
    fn every_prefix_of_a_plan_is_consistent((want, have) in pair()) {
        let mut kernel = FakeKernel::of(have.clone());
        for op in plan(&want, &have, Prune::Allowed) {
            kernel.apply(&op).unwrap();
            consistent(&kernel.observe().unwrap())?;
        }
    }

    #[test]
    fn whatever_the_kernel_refuses_what_stands_is_consistent(
        (want, have) in pair(), faults in btree_set(0usize..40, 0..6),
    ) {
        let mut kernel = FakeKernel::of(have.clone());
        kernel.faults = faults;
        let errors = execute(&mut kernel, &plan(&want, &have, Prune::Allowed));
        let now = kernel.observe().unwrap();
        consistent(&now)?;
        // Flows of a task that a port may still name are not forgotten.
        let held = errors.iter().any(|error| matches!(error.op, Op::RemoveFrontend(_)));
        prop_assert!(!held || !kernel.calls.contains(&Op::CollectGarbage));
    }

    /// Whoever may call a port before a change and after it may do so meanwhile, and whoever may not may
    /// not; a port that comes or goes is never there in another way than it is meant.
    #[test]
    fn a_change_keeps_nobody_out_and_lets_nobody_in_on_its_way((want, have) in pair()) {
        let mut kernel = FakeKernel::of(have.clone());
        for op in plan(&want, &have, Prune::Allowed) {
            kernel.apply(&op).unwrap();
            let now = kernel.observe().unwrap();
            for (port, _) in &now.frontends {
                for client in CLIENTS.map(Ipv4Addr::from) {
                    let before = admits(&have, port, client);
                    let after = admits(&want, port, client);
                    let meant = if before == after { before } else { before.xor(after) };
                    if let Some(meant) = meant {
                        let admitted = admits(&now, port, client);
                        prop_assert_eq!(admitted, Some(meant), "{:?} after {}", client, op);
                    }
                }
            }
        }
    }

    #[test]
    fn flows_are_collected_once_after_all_tasks_that_go((want, have) in pair()) {
        let ops = plan(&want, &have, Prune::Allowed);
        let at = |wanted: fn(&Op) -> bool| -> Vec<usize> {
            let ops = ops.iter().enumerate();
            ops.filter(|(_, op)| wanted(op)).map(|(at, _)| at).collect()
        };
        let gone = at(|op| matches!(op, Op::RemoveBackend(..)));
        let collected = at(|op| matches!(op, Op::CollectGarbage));
        prop_assert_eq!(collected.len(), usize::from(!gone.is_empty()));
        prop_assert!(gone.iter().all(|at| *at < collected[0]));
    }

    #[test]
    fn an_incomplete_view_removes_nothing((want, have) in pair()) {
        for op in plan(&want, &have, Prune::Withheld) {
            // A step that is not named here is one that has to show that it removes nothing.
            let adds = matches!(
                op,
                Op::PutSettings(_) | Op::PutUplink(..) | Op::AddAddress(_) | Op::PutTokenKeys(_) | Op::PutPeer(..)
                    | Op::AddService(_) | Op::PutBackend(..) | Op::PutTaskAddress(..) | Op::PutTable(..) | Op::Allow(..) | Op::PutFrontend(..)
                    | Op::Attach(_)
            );
            // The node itself knows behind which ports its tasks are, whatever the view.
            let own = matches!(op, Op::PutEndpoint(..) | Op::RemoveEndpoint(_));
            prop_assert!(adds || own, "{}", op);
        }
    }

    #[test]
    fn who_has_an_address_follows_this_node_whatever_the_view((want, have) in pair()) {
        let mut kernel = FakeKernel::of(have.clone());
        for op in plan(&want, &have, Prune::Withheld) {
            kernel.apply(&op).unwrap();
        }
        prop_assert_eq!(kernel.observe().unwrap().endpoints, want.endpoints);
    }
}
