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
    /// A table of a port, by its number.
    Table(Port, u32),
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
            Self::PutTable(port, table, tasks) => {
                state.tables.insert((port, table), tasks);
            }
            Self::RemoveTable(port, table, _) => {
                state.tables.remove(&(port, table));
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
            Self::PutTable(port, table, _) => vec![Object::Table(*port, *table)],
            Self::PutFrontend(port, _)
            | Self::RemoveFrontend(port)
            | Self::RemoveTable(port, ..) => {
                vec![Object::Frontend(*port)]
            }
            _ => vec![],
        }
    }

    fn possible(&self, failed: &BTreeSet<Object>) -> Option<Cow<'_, Self>> {
        let frontend = |object: &Object| matches!(object, Object::Frontend(_));
        let held_up = match self {
            Self::PutTable(_, _, members) => {
                let mut members = members.iter();
                members.any(|task| failed.contains(&Object::Backend(*task)))
            }
            Self::PutFrontend(port, frontend) => {
                failed.contains(&Object::Table(*port, frontend.table))
            }
            Self::RemoveTable(port, ..) => failed.contains(&Object::Frontend(*port)),
            // A table that should be gone may still name the task.
            Self::RemoveBackend(..) | Self::CollectGarbage => failed.iter().any(frontend),
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
            Object::Table(port(80), 4),
            Object::Frontend(port(80)),
        ];
        let others = [
            Object::Backend(Key(2)),
            Object::Table(port(80), 5),
            Object::Table(port(81), 4),
        ];
        let put_table = Op::PutTable(port(80), 4, vec![Key(3), Key(1)]);
        let any_frontend = Object::Frontend(port(81));
        for (op, builds_on, not) in [
            (put_table, vec![task], vec![table, published]),
            (
                Op::PutFrontend(port(80), frontend(4)),
                vec![table],
                vec![task, published],
            ),
            (
                Op::RemoveTable(port(80), 4, vec![Key(1)]),
                vec![published],
                vec![task, table, any_frontend],
            ),
            (
                Op::RemoveBackend(Key(1), backend()),
                vec![published, any_frontend],
                vec![task, table],
            ),
            (
                Op::CollectGarbage,
                vec![published, any_frontend],
                vec![task, table],
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
            for failed in not.into_iter().chain(others) {
                let possible = op.possible(&[failed].into());
                assert_eq!(possible.as_deref(), Some(&op), "{op}: {failed:?}");
            }
        }
    }

    #[test]
    fn an_operation_that_fails_leaves_its_object_in_doubt() {
        let [task, table, published] = [
            Object::Backend(Key(1)),
            Object::Table(port(80), 4),
            Object::Frontend(port(80)),
        ];
        for (op, touches) in [
            (Op::PutBackend(Key(1), backend()), vec![task]),
            (Op::PutTable(port(80), 4, vec![Key(1)]), vec![table]),
            (Op::PutFrontend(port(80), frontend(4)), vec![published]),
            (Op::RemoveFrontend(port(80)), vec![published]),
            // Who names the table may name the next one.
            (Op::RemoveTable(port(80), 4, vec![Key(1)]), vec![published]),
            (Op::RemoveBackend(Key(1), backend()), vec![]),
            (Op::AddService(Key(1)), vec![]),
        ] {
            assert_eq!(op.touches(), touches, "{op}");
        }
    }
}
