//! What an operation makes of a state, and what it builds on.

use super::op::Op;
use super::state::{HookKind, State};
use crate::backend::Operation;
use crate::model::ids::Key;
use lb_abi::service::Port;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// An object of the maps on which other objects build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A task.
    Backend(Key),
    /// A table, by its number.
    Table(u32),
    /// The ports of tasks that differ from the frontend's, all of one published port.
    Targets(Port),
    /// A published port.
    Frontend(Port),
}

impl Operation for Op {
    type State = State;
    type Object = Object;

    fn apply_to(&self, state: &mut State) {
        match self.clone() {
            Self::PutSettings(settings) => state.settings = Some(settings),
            Self::PutUplink(link, uplink) => {
                state.uplinks.insert(link, uplink);
            }
            Self::RemoveUplink(link) => {
                state.uplinks.remove(&link);
            }
            Self::PutBridgePort(link, port) => {
                state.bridge_ports.insert(link, port);
            }
            Self::RemoveBridgePort(link) => {
                state.bridge_ports.remove(&link);
            }
            Self::AddAddress(address) => {
                state.addresses.insert(address);
            }
            Self::RemoveAddress(address) => {
                state.addresses.remove(&address);
            }
            Self::PutEndpoint(address, port) => {
                state.endpoints.insert(address, port);
            }
            Self::RemoveEndpoint(address) => {
                state.endpoints.remove(&address);
            }
            Self::PutOnLink(task, network, under) => {
                state.on_link.insert((task, network), under);
            }
            Self::RemoveOnLink(task, network) => {
                state.on_link.remove(&(task, network));
            }
            Self::PutTokenKeys(keys) => state.token_keys = Some(keys),
            Self::PutPeer(address, keys) => {
                state.peers.insert(address, keys);
            }
            Self::RemovePeer(address) => {
                state.peers.remove(&address);
            }
            Self::AddService(key) => {
                state.services.insert(key);
            }
            Self::RemoveService(key) => {
                state.services.remove(&key);
            }
            Self::PutBackend(key, backend) => {
                state.backends.insert(key, backend);
            }
            Self::RemoveBackend(key, _) => {
                state.backends.remove(&key);
            }
            Self::PutTaskAddress(address, key) => {
                state.task_addresses.insert(address, key);
            }
            Self::RemoveTaskAddress(address) => {
                state.task_addresses.remove(&address);
            }
            Self::PutTable(table, tasks) => {
                state.tables.insert(table, tasks);
            }
            Self::RemoveTable(table, ..) => {
                state.tables.remove(&table);
            }
            Self::PutTarget(port, task, target) => {
                state.targets.insert((port, task), target);
            }
            Self::RemoveTarget(port, task) => {
                state.targets.remove(&(port, task));
            }
            Self::Allow(port, network) => {
                state.allowed.insert((port, network));
            }
            Self::Disallow(port, network) => {
                state.allowed.remove(&(port, network));
            }
            Self::PutFrontend(port, frontend) => {
                state.frontends.insert(port, frontend);
            }
            Self::RemoveFrontend(port) => {
                state.frontends.remove(&port);
            }
            Self::Attach(hook) => {
                state.hooks.insert(hook);
            }
            Self::Detach(hook) => {
                state.hooks.remove(&hook);
            }
            Self::CollectGarbage => {}
        }
    }

    fn touches(&self) -> Vec<Object> {
        match self {
            Self::PutBackend(task, _) => vec![Object::Backend(*task)],
            Self::PutTable(table, _) | Self::RemoveTable(table, ..) => vec![Object::Table(*table)],
            Self::PutTarget(port, ..) => vec![Object::Targets(*port)],
            Self::PutFrontend(port, _) | Self::RemoveFrontend(port) => {
                vec![Object::Frontend(*port)]
            }
            _ => vec![],
        }
    }

    fn possible(&self, failed: &BTreeSet<Object>) -> Option<Cow<'_, Self>> {
        let names_task = |object: &Object| matches!(object, Object::Frontend(_) | Object::Table(_));
        let held_up = match self {
            Self::PutTable(_, members) => {
                let mut members = members.iter();
                members.any(|task| failed.contains(&Object::Backend(*task)))
            }
            Self::PutFrontend(port, frontend) => {
                failed.contains(&Object::Table(frontend.table))
                    || failed.contains(&Object::Targets(*port))
            }
            // A frontend that is left as it was may still ask for it.
            Self::RemoveTarget(port, _) => failed.contains(&Object::Frontend(*port)),
            // One of its frontends may still name it.
            Self::RemoveTable(_, _, ports) => {
                let mut ports = ports.iter();
                ports.any(|port| failed.contains(&Object::Frontend(*port)))
            }
            // A table that should be gone may still name the task.
            Self::RemoveBackend(..) | Self::CollectGarbage => failed.iter().any(names_task),
            _ => false,
        };
        (!held_up).then_some(Cow::Borrowed(self))
    }

    fn is_optional(&self) -> bool {
        let xdp = matches!(self, Self::Attach(hook) if hook.kind == HookKind::UplinkXdp);
        xdp || self.cause().is_some()
    }

    /// Those on the root cgroup serve only processes on the node itself, and fail together.
    fn cause(&self) -> Option<&'static str> {
        matches!(self, Self::Attach(hook) if hook.kind.on_host()).then_some("root cgroup")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::ebpf::Hook;
    use lb_abi::service::{Backend, Frontend};
    use lb_abi::{Be16, Be32, TCP};

    fn port(number: u16) -> Port {
        Port::new(Be16::new(number), TCP)
    }

    fn backend() -> Backend {
        Backend::new(Be32::new(1), 0, 9)
    }

    fn frontend(table: u32) -> Frontend {
        Frontend::new(Be16::new(80), 1, table, 9)
    }

    #[test]
    fn every_service_is_served_without_xdp_and_without_hooks_on_the_root_cgroup() {
        for kind in HookKind::ALL {
            let hook = Hook { kind, link: 2 };
            let (attach, detach) = (Op::Attach(hook), Op::Detach(hook));
            let host = kind.on_host();
            let optional = host || kind == HookKind::UplinkXdp;
            assert_eq!(attach.is_optional(), optional, "{attach}");
            assert_eq!(attach.cause(), host.then_some("root cgroup"), "{attach}");
            assert_eq!((detach.is_optional(), detach.cause()), (false, None));
        }
        let op = Op::PutBackend(Key(1), backend());
        assert_eq!((op.is_optional(), op.cause()), (false, None));
    }

    #[test]
    fn an_operation_is_held_up_by_what_it_builds_on_and_by_nothing_else() {
        let [task, table, published] = [
            Object::Backend(Key(1)),
            Object::Table(4),
            Object::Frontend(port(80)),
        ];
        let (another, other_table) = (Object::Backend(Key(2)), Object::Table(5));
        let [shares, unrelated] = [81, 82].map(|number| Object::Frontend(port(number)));
        let [targets, other_targets] = [80, 81].map(|number| Object::Targets(port(number)));
        let put_table = Op::PutTable(4, vec![Key(3), Key(1)]);
        for (op, builds_on, not) in [
            (
                put_table,
                vec![task],
                vec![table, other_table, published, shares],
            ),
            (
                Op::PutFrontend(port(80), frontend(4)),
                vec![table, targets],
                vec![task, other_table, published, shares],
            ),
            (
                Op::PutTarget(port(80), Key(1), 79),
                vec![],
                vec![task, table, published, targets],
            ),
            (
                Op::RemoveTarget(port(80), Key(1)),
                vec![published],
                vec![task, table, shares, targets],
            ),
            // Every port that had it must have let go of it.
            (
                Op::RemoveTable(4, vec![Key(1)], vec![port(80), port(81)]),
                vec![published, shares],
                vec![task, table, other_table, unrelated, targets],
            ),
            (
                Op::RemoveTable(4, vec![Key(1)], vec![]),
                vec![],
                vec![task, table, published, shares],
            ),
            (
                Op::RemoveBackend(Key(1), backend()),
                vec![published, unrelated, table, other_table],
                vec![task],
            ),
            (
                Op::CollectGarbage,
                vec![published, unrelated, table, other_table],
                vec![task],
            ),
            (
                Op::RemoveFrontend(port(80)),
                vec![],
                vec![task, table, published],
            ),
        ] {
            for failed in builds_on {
                assert_eq!(op.possible(&[failed].into()), None, "{op}: {failed:?}");
            }
            for failed in not.into_iter().chain([another, other_targets]) {
                let possible = op.possible(&[failed].into());
                assert_eq!(possible.as_deref(), Some(&op), "{op}: {failed:?}");
            }
        }
    }

    #[test]
    fn an_operation_that_fails_leaves_its_object_in_doubt() {
        let [task, table, published] = [
            Object::Backend(Key(1)),
            Object::Table(4),
            Object::Frontend(port(80)),
        ];
        for (op, touches) in [
            (Op::PutBackend(Key(1), backend()), vec![task]),
            (Op::PutTable(4, vec![Key(1)]), vec![table]),
            (Op::PutFrontend(port(80), frontend(4)), vec![published]),
            (Op::RemoveFrontend(port(80)), vec![published]),
            (
                Op::PutTarget(port(80), Key(1), 79),
                vec![Object::Targets(port(80))],
            ),
            (Op::RemoveTarget(port(80), Key(1)), vec![]),
            (
                Op::RemoveTable(4, vec![Key(1)], vec![port(80)]),
                vec![table],
            ),
            (Op::RemoveBackend(Key(1), backend()), vec![]),
            (Op::AddService(Key(1)), vec![]),
        ] {
            assert_eq!(op.touches(), touches, "{op}");
        }
    }
}
