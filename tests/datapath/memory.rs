//! Steps of a plan, done to the tables in memory: what `BpfKernel` does to the maps.

use ipnet::Ipv4Net;
use lb_abi::service::{OnLink, Port, Slot, Source, TargetKey};
use lb_abi::{Be16, Be32};
use lb_core::backend::ebpf::Op;
use lb_core::model::ids::Key;
use lb_datapath::model::Memory;

/// Does one step.
pub(crate) fn step(memory: &mut Memory, op: &Op) {
    match op {
        Op::PutSettings(settings) => memory.settings = Some(*settings),
        Op::PutUplink(link, uplink) => {
            memory.uplinks.insert(*link, *uplink);
        }
        Op::RemoveUplink(link) => {
            memory.uplinks.remove(link);
        }
        Op::PutBridgePort(link, port) => {
            memory.bridge_ports.insert(*link, *port);
        }
        Op::RemoveBridgePort(link) => {
            memory.bridge_ports.remove(link);
        }
        Op::AddAddress(address) => {
            memory.addresses.insert((*address).into());
        }
        Op::RemoveAddress(address) => {
            memory.addresses.remove(&(*address).into());
        }
        Op::PutEndpoint(address, port) => {
            memory.endpoints.insert((*address).into(), *port);
        }
        Op::RemoveEndpoint(address) => {
            memory.endpoints.remove(&(*address).into());
        }
        Op::PutOnLink(task, network, under) => {
            memory.on_link.insert(on_link(*task, network), *under);
        }
        Op::RemoveOnLink(task, network) => {
            memory.on_link.remove(&on_link(*task, network));
        }
        Op::PutTokenKeys(keys) => memory.token_keys = *keys,
        Op::PutPeer(address, keys) => {
            memory.peers.insert((*address).into(), *keys);
        }
        Op::RemovePeer(address) => {
            memory.peers.remove(&(*address).into());
        }
        Op::PutBackend(key, backend) => {
            memory.backends.insert(key.0, *backend);
            memory.loads.get_mut().entry(key.0).or_insert(0);
            memory.counters.get_mut().entry(key.0).or_default();
        }
        Op::RemoveBackend(key, _) => {
            memory.backends.remove(&key.0);
            memory.loads.get_mut().remove(&key.0);
            memory.counters.get_mut().remove(&key.0);
        }
        Op::PutTaskAddress(address, key) => {
            memory.task_addresses.insert((*address).into(), key.0);
        }
        Op::RemoveTaskAddress(address) => {
            memory.task_addresses.remove(&(*address).into());
        }
        Op::PutTable(table, tasks) => {
            for (index, task) in (0..).zip(tasks) {
                let slot = Slot {
                    table: *table,
                    index,
                };
                memory.slots.insert(slot, task.0);
            }
        }
        Op::RemoveTable(table, ..) => memory.slots.retain(|slot, _| slot.table != *table),
        Op::PutTarget(port, task, target) => {
            let key = TargetKey::new(*port, task.0);
            memory.targets.insert(key, Be16::new(*target));
        }
        Op::RemoveTarget(port, task) => {
            memory.targets.remove(&TargetKey::new(*port, task.0));
        }
        Op::Allow(port, network) => {
            memory.allowed.insert(allowed(*port, network));
        }
        Op::Disallow(port, network) => {
            memory.allowed.remove(&allowed(*port, network));
        }
        Op::PutFrontend(port, frontend) => {
            memory.turns.get_mut().entry(*port).or_insert(0);
            memory.frontends.insert(*port, *frontend);
        }
        Op::RemoveFrontend(port) => {
            memory.frontends.remove(port);
            memory.turns.get_mut().remove(port);
        }
        Op::CollectGarbage => {
            let backends = &memory.backends;
            let flows = memory.flows.get_mut();
            flows.retain(|_, flow| backends.contains_key(&flow.task));
            let replies = memory.replies.get_mut();
            replies.retain(|_, reply| backends.contains_key(&reply.task));
            for kept in [memory.kept.get_mut(), memory.keeping.get_mut()] {
                kept.retain(|_, kept| backends.contains_key(&kept.task));
            }
        }
        // Programs and the agent's own sums: nothing that a decision depends on.
        Op::Attach(_) | Op::Detach(_) | Op::AddService(_) | Op::RemoveService(_) => {}
    }
}

fn on_link(task: Key, network: &Ipv4Net) -> (OnLink, u32) {
    let address = Be32::new(network.network().into());
    let bits = u32::from(network.prefix_len());
    (OnLink::new(task.0, address), bits)
}

fn allowed(port: Port, network: &Ipv4Net) -> (Source, u32) {
    let address = Be32::new(network.network().into());
    (Source { port, address }, u32::from(network.prefix_len()))
}
