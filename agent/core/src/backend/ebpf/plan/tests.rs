mod targets;

use super::super::{Hook, HookKind};
use super::*;
use crate::backend::execute;
use crate::kernel::Kernel;
use crate::kernel::fake::FakeKernel;
use crate::model::ids::Key;
use lb_abi::service::{Backend, Frontend, Port, RESTRICTED, TARGETS};
use lb_abi::settings::{BridgePort, PortRange, Settings, Uplink};
use lb_abi::tunnel::{TokenKey, TokenKeys};
use lb_abi::{Be16, Be32, TCP};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
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

/// A consistent state: tables of known tasks, frontends of known tables, which several of them may name.
fn state() -> impl Strategy<Value = State> {
    let backends = btree_map((1u64..30).prop_map(Key), (1u32..9, 0u32..2, 1u64..4), 0..12);
    let frontends = btree_map(
        port(),
        (
            1u16..9,
            proptest::option::weighted(0.8, any::<prop::sample::Index>()),
            proptest::option::of(btree_set(0..NETWORKS.len(), 0..3)),
        ),
        0..6,
    );
    let tables = btree_map(1u32..7, vec(any::<prop::sample::Index>(), 1..5), 0..4);
    let facts = (
        btree_set(1u32..9, 0..4),
        btree_map(1u32..9, 0u8..3, 0..4),
        btree_set(1u32..5, 0..3),
        btree_map(1u32..9, 1u32..4, 0..3),
        btree_map(1u32..9, 1u64..30, 0..5),
        btree_map((1u64..30, 0..NETWORKS.len()), 1u32..3, 0..5),
        any::<bool>(),
    );
    (backends, (tables, frontends), facts).prop_map(
        |(
            backends,
            (tables, frontends),
            (addresses, peers, links, endpoints, task_addresses, on_link, known),
        )| {
            let mut state = State::default();
            for (key, (address, place, service)) in backends {
                state.services.insert(Key(service));
                state
                    .backends
                    .insert(key, Backend::new(Be32::new(address), place, service));
            }
            let keys: Vec<Key> = state.backends.keys().copied().collect();
            for (table, picks) in tables.into_iter().filter(|_| !keys.is_empty()) {
                let tasks = picks.iter().map(|pick| *pick.get(&keys)).collect();
                state.tables.insert(table, tasks);
            }
            let numbers: Vec<u32> = state.tables.keys().copied().collect();
            for (port, (target, pick, networks)) in frontends {
                let pick = pick.filter(|_| !numbers.is_empty());
                let table = pick.map_or(0, |pick| *pick.get(&numbers));
                let tasks = state.tables.get(&table).map_or(&[][..], Vec::as_slice);
                let count = u32::try_from(tasks.len()).unwrap();
                let mut frontend = Frontend::new(Be16::new(target), count, table, 1);
                if let Some(task) = tasks.first().filter(|_| target % 2 == 0) {
                    frontend.flags = TARGETS;
                    state.targets.insert((port, *task), target + 1);
                }
                if let Some(networks) = networks {
                    frontend.flags |= RESTRICTED;
                    let networks = networks.into_iter().map(|n| NETWORKS[n].parse().unwrap());
                    state
                        .allowed
                        .extend(networks.map(|network| (port, network)));
                }
                state.frontends.insert(port, frontend);
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
            state.on_link = on_link
                .into_iter()
                .map(|((task, n), under)| ((Key(task), NETWORKS[n].parse().unwrap()), under))
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
            state.bridge_ports = links
                .iter()
                .map(|link| (10 + link, BridgePort::new(*link, [2; 6])))
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
                gateway: Be32::new(3),
                router_user: 7,
                ephemeral: PortRange::NONE,
                zero: 0,
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

/// Two states as one agent would see them: a table's number does not stand for other tasks
/// than it did.
fn pair() -> impl Strategy<Value = (State, State)> {
    (state(), state()).prop_map(|(mut want, have)| {
        let mut renamed = BTreeMap::new();
        // Numbers from 7 on are nobody's in `have`.
        for (number, free) in want.tables.keys().copied().zip(7..) {
            let other = have
                .tables
                .get(&number)
                .is_some_and(|had| Some(had) != want.tables.get(&number));
            renamed.insert(number, if other { free } else { number });
        }
        let tables = want.tables.iter();
        want.tables = tables
            .map(|(number, tasks)| (renamed[number], tasks.clone()))
            .collect();
        for (_, frontend) in &mut want.frontends {
            if frontend.count != 0 {
                frontend.table = renamed[&frontend.table];
            }
        }
        (want, have)
    })
}

fn consistent(state: &State) -> Result<(), TestCaseError> {
    for (port, frontend) in &state.frontends {
        if frontend.count == 0 {
            continue;
        }
        let tasks = state.tables.get(&frontend.table);
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

    /// A port has its tasks of before or those of after, in one write, whichever other ports share its table.
    #[test]
    fn a_port_changes_its_tasks_in_one_write_whoever_shares_its_table((want, have) in pair()) {
        let tasks = |state: &State, port: &Port| {
            let frontend = state.frontends.get(port)?;
            Some((frontend.count, state.tables.get(&frontend.table).cloned()))
        };
        let mut kernel = FakeKernel::of(have.clone());
        let mut changed = BTreeSet::new();
        for op in plan(&want, &have, Prune::Allowed) {
            kernel.apply(&op).unwrap();
            if let Op::PutFrontend(port, _) | Op::RemoveFrontend(port) = &op {
                prop_assert!(changed.insert(*port), "{} once more", op);
            }
            for (port, _) in &kernel.state.frontends {
                let meant = if changed.contains(port) { &want } else { &have };
                prop_assert_eq!(tasks(&kernel.state, port), tasks(meant, port), "after {}", op);
            }
        }
        // And each table is written once, for all of them.
        let written = kernel.calls.iter().filter(|op| matches!(op, Op::PutTable(..)));
        let new = want.tables.keys().filter(|number| !have.tables.contains_key(number));
        prop_assert_eq!(written.count(), new.count());
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
                Op::PutSettings(_) | Op::PutUplink(..) | Op::PutBridgePort(..) | Op::AddAddress(_) | Op::PutTokenKeys(_) | Op::PutPeer(..) | Op::PutOnLink(..)
                    | Op::AddService(_) | Op::PutBackend(..) | Op::PutTaskAddress(..) | Op::PutTable(..) | Op::PutTarget(..) | Op::Allow(..)
                    | Op::PutFrontend(..)
                    | Op::Attach(_)
            );
            // The node itself knows behind which ports its tasks are, whatever the view.
            let own = matches!(op, Op::PutEndpoint(..) | Op::RemoveEndpoint(_));
            prop_assert!(adds || own, "{}", op);
        }
    }

    #[test]
    fn a_program_is_at_a_port_only_while_the_bridge_of_that_is_known((want, have) in pair()) {
        let ops = plan(&want, &have, Prune::Allowed);
        let first = |find: fn(&Op) -> bool| ops.iter().position(find);
        let last = |find: fn(&Op) -> bool| ops.iter().rposition(find);
        let put = last(|op| matches!(op, Op::PutBridgePort(..)));
        let attach = first(|op| matches!(op, Op::Attach(_)));
        prop_assert!(attach.is_none() || put < attach, "{:?}", ops);
        let detach = last(|op| matches!(op, Op::Detach(_)));
        let remove = first(|op| matches!(op, Op::RemoveBridgePort(_)));
        prop_assert!(remove.is_none() || detach < remove, "{:?}", ops);
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
