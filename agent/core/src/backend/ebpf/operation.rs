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
