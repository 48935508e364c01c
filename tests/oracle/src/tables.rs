//! Tables as an agent writes them, and with the faults that programs may meet halfway through.

use crate::names::{
    BRIDGE, EPOCH, MAC, NETWORK, Node, OTHER_BRIDGE, PUBLISHED, TASKS, TUNNEL, UPLINK, Who,
    service_of_port, service_of_task, target, task_address, task_key, token_keys,
};
use arbitrary::Arbitrary;
use lb_abi::service::{
    ACTIVE, ADDRESSED, Backend, DIRECT, Frontend, LOCAL, Port, REMOTE, RESTRICTED, ROUTED, Slot,
    Source, TARGETS, TargetKey,
};
use lb_abi::settings::{NO_USER, PortRange, Settings, Uplink};
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::model::Memory;

/// Published ports, and the tasks behind them.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Tables {
    tasks: [Task; TASKS as usize],
    ports: [Published; PUBLISHED.len()],
    no_settings: bool,
    no_bridge: bool,
    mtu: Option<u16>,
    expired: bool,
}

#[derive(Arbitrary, Clone, Debug)]
struct Task {
    gone: bool,
    home: Node,
    takes_none: bool,
    other_bridge: bool,
    /// Called by its own address: by all, or by routers where its number is odd.
    addressed: bool,
}

#[derive(Arbitrary, Clone, Debug)]
struct Published {
    not: bool,
    scheduler: u8,
    restricted: Option<(Who, u8)>,
    direct: bool,
    keep: u8,
    /// Tasks whose bits are set have another port than the others.
    moved: u8,
    /// No service publishes it any more.
    withdrawn: bool,
    /// A place of its table is not there (yet, or any more).
    hole: Option<u8>,
}

impl Tables {
    /// Puts them into the memory of `node`, the `times`-th ones that it has: under numbers that none before had.
    pub(crate) fn write(&self, memory: &mut Memory, node: Node, times: u32) {
        let own = node.address();
        memory.settings = (!self.no_settings).then(|| Settings {
            node: be(own),
            tunnel_port: Be16::new(TUNNEL),
            mac: MAC,
            flags: 0,
            epoch: EPOCH,
            uplink: UPLINK,
            mtu: self.mtu.map_or(1500, u32::from),
            bridge: if self.no_bridge { 0 } else { BRIDGE },
            network: NETWORK,
            gateway: be(std::net::Ipv4Addr::new(172, 18, 0, 1)),
            router_user: NO_USER,
            ephemeral: PortRange::NONE,
            zero: 0,
        });
        memory.uplinks = [(UPLINK, Uplink::new(MAC))].into();
        memory.expired = self.expired;
        memory.addresses = [own.into()].into();
        let nodes = [Node::First, Node::Second, Node::Third];
        memory.peers = nodes
            .into_iter()
            .filter(|other| *other != node)
            .map(|other| (other.address().into(), token_keys(other)))
            .collect();
        memory.token_keys = token_keys(node);
        memory.backends.clear();
        memory.slots.clear();
        memory.frontends.clear();
        memory.targets.clear();
        memory.allowed.clear();
        for (n, task) in (0u8..).zip(&self.tasks).filter(|(_, task)| !task.gone) {
            let key = task_key(n);
            memory.backends.insert(key, task.backend(n, node));
            let counters = memory.counters.get_mut();
            counters.entry(key).or_default();
            memory.loads.get_mut().entry(key).or_default();
        }
        let live = &memory.backends;
        memory
            .counters
            .get_mut()
            .retain(|key, _| live.contains_key(key));
        let first = times * u32::try_from(PUBLISHED.len()).unwrap_or(1);
        for (table, (n, published)) in (first..).zip(self.ports.iter().enumerate()) {
            if !published.not {
                self.publish(memory, n, published, table);
            }
        }
    }

    fn publish(&self, memory: &mut Memory, n: usize, published: &Published, table: u32) {
        let takes = (0u8..)
            .zip(&self.tasks)
            .filter(|(_, task)| !task.gone && !task.takes_none)
            .filter(|(task, _)| service_of_task(*task) == service_of_port(n));
        let ready: Vec<u64> = takes.map(|(n, _)| task_key(n)).collect();
        for (index, key) in (0u32..).zip(&ready) {
            if published.hole.map(u32::from) != Some(index) {
                memory.slots.insert(Slot { table, index }, *key);
            }
        }
        // One table for both protocols.
        for proto in [TCP, UDP] {
            let port = Port::new(Be16::new(PUBLISHED[n]), proto);
            let count = u32::try_from(ready.len()).unwrap_or(0);
            let table = if count == 0 { 0 } else { table };
            if published.withdrawn {
                let kept = Frontend::new(Be16::new(target(n)), 0, 0, service_of_port(n));
                memory.frontends.insert(port, kept);
                continue;
            }
            let moved = (0u8..TASKS).filter(|task| published.moved >> (task & 7) & 1 != 0);
            let own = Be16::new(target(n) + 1);
            let moved = moved.map(|task| (TargetKey::new(port, task_key(task)), own));
            memory.targets.extend(moved);
            let plain = Frontend::new(Be16::new(target(n)), count, table, service_of_port(n));
            let direct = if published.direct { DIRECT } else { 0 };
            let flags = direct | if published.moved == 0 { 0 } else { TARGETS };
            let restricted = published.restricted.map_or(0, |_| RESTRICTED);
            let frontend = Frontend {
                scheduler: u16::from(published.scheduler % 5),
                flags: flags | restricted,
                affinity_ticks: u32::from(published.keep & 3),
                ..plain
            };
            memory.frontends.insert(port, frontend);
            memory.turns.get_mut().entry(port).or_insert(0);
            if let Some((who, bits)) = published.restricted {
                let address = be(who.address());
                let bits = Source::PORT_BITS + u32::from(bits % 33);
                memory
                    .allowed
                    .insert((Source { port, address }, bits - Source::PORT_BITS));
            }
        }
    }
}

impl Task {
    fn backend(&self, n: u8, node: Node) -> Backend {
        let here = self.home == node;
        let (address, place) = if here {
            (task_address(n), LOCAL)
        } else {
            (self.home.address(), REMOTE)
        };
        let called = if n.is_multiple_of(2) {
            ADDRESSED
        } else {
            ROUTED
        };
        Backend {
            link: if here && self.other_bridge {
                OTHER_BRIDGE
            } else {
                0
            },
            flags: if self.takes_none { 0 } else { ACTIVE }
                | if self.addressed { called } else { 0 },
            ..Backend::new(be(address), place, service_of_task(n))
        }
    }
}

pub(crate) fn be(address: std::net::Ipv4Addr) -> Be32 {
    Be32::new(address.into())
}
