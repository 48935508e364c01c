//! The operations on maps and hooks.

use super::state::Hook;
use crate::backend::port_name;
use crate::model::ids::Key;
use ipnet::Ipv4Net;
use lb_abi::flow::UNDER_NODE;
use lb_abi::service::{Backend, Frontend, LOCAL, Port};
use lb_abi::settings::{BridgePort, Settings, Uplink};
use lb_abi::tunnel::TokenKeys;
use std::fmt;
use std::net::Ipv4Addr;

/// What can be done to the kernel. Each is idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Tell the programs about the node.
    PutSettings(Settings),
    /// Let clients come in on a device.
    PutUplink(u32, Uplink),
    /// No longer let them.
    RemoveUplink(u32),
    /// Decide about a bridge's packets at this port of it.
    PutBridgePort(u32, BridgePort),
    /// Leave them to the bridge.
    RemoveBridgePort(u32),
    /// Answer on an address.
    AddAddress(Ipv4Addr),
    /// No longer answer on an address.
    RemoveAddress(Ipv4Addr),
    /// Take no packet of a task from another port of a bridge than this.
    PutEndpoint(Ipv4Addr, u32),
    /// Take them from any.
    RemoveEndpoint(Ipv4Addr),
    /// Present clients of a network to a task under an address of the node, which a bit of a flow's state says.
    PutOnLink(Key, Ipv4Net, u32),
    /// Present them as they are.
    RemoveOnLink(Key, Ipv4Net),
    /// Make tokens by these keys from now on.
    PutTokenKeys(TokenKeys),
    /// Open tunnel packets of a node whose tokens are made by these keys.
    PutPeer(Ipv4Addr, TokenKeys),
    /// No longer open tunnel packets of a node.
    RemovePeer(Ipv4Addr),
    /// Keep counters for a service.
    AddService(Key),
    /// Forget the counters of a service.
    RemoveService(Key),
    /// Let a task hold flows.
    PutBackend(Key, Backend),
    /// Let a task hold no flows any more; its counters go to its service's.
    RemoveBackend(Key, Backend),
    /// Let an IPv4 address stand for a task.
    PutTaskAddress(Ipv4Addr, Key),
    /// Let it stand for none.
    RemoveTaskAddress(Ipv4Addr),
    /// Write a table under a number that no frontend names yet.
    PutTable(u32, Vec<Key>),
    /// Remove a table with these tasks that no frontend names any more; the ports whose frontends named it until then.
    RemoveTable(u32, Vec<Key>, Vec<Port>),
    /// Send what a task gets by a published port to this port of its own.
    PutTarget(Port, Key, u16),
    /// Send it to the frontend's.
    RemoveTarget(Port, Key),
    /// Let clients of a network use a port that is restricted.
    Allow(Port, Ipv4Net),
    /// No longer let them.
    Disallow(Port, Ipv4Net),
    /// Answer a port, from a table that is there.
    PutFrontend(Port, Frontend),
    /// No longer answer a port.
    RemoveFrontend(Port),
    /// Attach a program.
    Attach(Hook),
    /// Detach a program.
    Detach(Hook),
    /// Forget flows whose tasks are gone.
    CollectGarbage,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PutSettings(settings) => {
                let node = Ipv4Addr::from(settings.node.get());
                write!(
                    f,
                    "settings: node {node}, uplink {}, bridge {}",
                    settings.uplink, settings.bridge
                )
            }
            Self::PutUplink(link, _) => write!(f, "let clients come in on device {link}"),
            Self::RemoveUplink(link) => write!(f, "let no client come in on device {link}"),
            Self::PutBridgePort(port, BridgePort { bridge, .. }) => {
                write!(f, "take packets for bridge {bridge} at its port {port}")
            }
            Self::RemoveBridgePort(port) => {
                write!(f, "leave packets of port {port} to its bridge")
            }
            Self::AddAddress(address) => write!(f, "answer on {address}"),
            Self::RemoveAddress(address) => write!(f, "stop answering on {address}"),
            Self::PutEndpoint(address, port) => {
                write!(f, "take packets of task {address} from device {port} only")
            }
            Self::RemoveEndpoint(address) => {
                write!(f, "no longer know the device of task {address}")
            }
            Self::PutOnLink(task, network, under) => {
                let whose = if *under == UNDER_NODE {
                    "this node's address"
                } else {
                    "the address of docker_gwbridge"
                };
                write!(
                    f,
                    "present clients of {network} to task {task} under {whose}"
                )
            }
            Self::RemoveOnLink(task, network) => {
                write!(f, "present clients of {network} to task {task} as they are")
            }
            Self::PutTokenKeys(_) => write!(f, "keys of what this node puts into the tunnel"),
            Self::PutPeer(address, _) => write!(f, "trust node {address} by its keys"),
            Self::RemovePeer(address) => write!(f, "stop trusting node {address}"),
            Self::AddService(key) => write!(f, "count for service {key}"),
            Self::RemoveService(key) => write!(f, "stop counting for service {key}"),
            Self::PutBackend(key, backend) => {
                let address = Ipv4Addr::from(backend.address.get());
                let place = if backend.locality == LOCAL {
                    "here"
                } else {
                    "on its node"
                };
                write!(f, "task {key} at {address}, {place}")
            }
            Self::RemoveBackend(key, _) => write!(f, "remove task {key}"),
            Self::PutTaskAddress(address, key) => write!(f, "call task {key} by {address}"),
            Self::RemoveTaskAddress(address) => write!(f, "call no task by {address}"),
            Self::PutTable(table, tasks) => write!(f, "table {table}: {} places", tasks.len()),
            Self::RemoveTable(table, ..) => write!(f, "remove table {table}"),
            Self::PutTarget(port, key, target) => {
                write!(f, "{} is port {target} of task {key}", port_name(port))
            }
            Self::RemoveTarget(port, key) => {
                write!(f, "{} of task {key} as of all tasks", port_name(port))
            }
            Self::Allow(port, network) => write!(f, "allow {network} on {}", port_name(port)),
            Self::Disallow(port, network) => {
                write!(f, "no longer allow {network} on {}", port_name(port))
            }
            Self::PutFrontend(port, frontend) => write!(
                f,
                "publish {} to port {} of tasks, {} places, table {}",
                port_name(port),
                frontend.target.get(),
                frontend.count,
                frontend.table
            ),
            Self::RemoveFrontend(port) => write!(f, "unpublish {}", port_name(port)),
            Self::Attach(hook) => write!(f, "attach {hook}"),
            Self::Detach(hook) => write!(f, "detach {hook}"),
            Self::CollectGarbage => write!(f, "forget flows of tasks that are gone"),
        }
    }
}

#[test]
fn the_dry_run_says_what_is_done_to_which_object() {
    use lb_abi::service::REMOTE;
    use lb_abi::{Be16, Be32, TCP};
    let port = Port::new(Be16::new(8080), TCP);
    let at = |locality| Backend::new(Be32::new(0xac12_0003), locality, 9);
    for (op, words) in [
        (
            Op::PutBackend(Key(7), at(LOCAL)),
            "task 0000000000000007 at 172.18.0.3, here",
        ),
        (
            Op::PutBackend(Key(7), at(REMOTE)),
            "task 0000000000000007 at 172.18.0.3, on its node",
        ),
        (Op::PutTable(4, vec![Key(7), Key(8)]), "table 4: 2 places"),
        (
            Op::RemoveTable(4, vec![Key(7), Key(8)], vec![port]),
            "remove table 4",
        ),
        (
            Op::PutFrontend(port, Frontend::new(Be16::new(80), 2, 4, 9)),
            "publish 8080/tcp to port 80 of tasks, 2 places, table 4",
        ),
        (
            Op::PutTarget(port, Key(7), 79),
            "8080/tcp is port 79 of task 0000000000000007",
        ),
        (
            Op::RemoveTarget(port, Key(7)),
            "8080/tcp of task 0000000000000007 as of all tasks",
        ),
    ] {
        assert_eq!(op.to_string(), words);
    }
}
