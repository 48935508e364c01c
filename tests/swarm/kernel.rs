//! Objects of swarmlb in a node's kernel, read from the kernel itself.

use agent::kernel::bpf::Tc;
use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{HashMap, Map, MapData, PerCpuArray};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{ProgramError, SchedClassifier, TcAttachType, loaded_links};
use harness::agents::{PINS, by_ipvs, by_mesh};
use harness::node::Node;
use harness::shell;
use lb_abi::counters::{Counters, Reason};
use lb_abi::flow::{Flow, RevNat, SnatEntry, Tuple};
use lb_abi::path_mtu::PathMtu;
use lb_abi::service::{
    AffinityKey, AffinityValue, Backend, Frontend, Port, Slot, Source, TargetKey,
};
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};
use lb_abi::{Be16, Be32};
use std::collections::BTreeMap;
use zerocopy::FromBytes as _;

/// The entries of a hash map, read as bytes: that needs nobody's promise about types.
macro_rules! entries {
    ($node:expr, $key:ty, $value:ty, $name:literal) => {{
        let map = Map::HashMap(open($node, $name));
        type Key = [u8; size_of::<$key>()];
        type Value = [u8; size_of::<$value>()];
        let map = HashMap::<_, Key, Value>::try_from(map).unwrap();
        let entries = map.iter().map(Result::unwrap);
        entries
            .map(|(key, value)| {
                let key = <$key>::read_from_bytes(&key).unwrap();
                (key, <$value>::read_from_bytes(&value).unwrap())
            })
            .collect::<Vec<_>>()
    }};
}

/// Pinned objects, by their paths below the directory of pins.
pub(crate) fn pins(node: &Node) -> Vec<String> {
    let found = node.exec("find", &[PINS, "-mindepth", "1"]);
    found
        .map(|list| list.lines().map(str::to_owned).collect())
        // There is no such directory.
        .unwrap_or_default()
}

/// Numbers of the links that are pinned.
pub(crate) fn pinned_links(node: &Node) -> Vec<u32> {
    let pins = pins(node).into_iter();
    let links = pins.filter_map(|pin| PinnedLink::from_pin(node.path(&pin).unwrap()).ok());
    links
        // Maps can be opened as links too, and then know nothing of one.
        .filter_map(|link| Some(FdLink::from(link).info().ok()?.id()))
        .collect()
}

/// Those of these links that the kernel still has, pinned or not.
pub(crate) fn loaded(links: &[u32]) -> Vec<u32> {
    // One may go between its being listed and being looked at.
    let all = loaded_links().filter_map(|link| Some(link.ok()?.id()));
    all.filter(|id| links.contains(id)).collect()
}

/// Programs attached to the links of a node's namespace: `eth0 xdp`, `eth0 tc`; those under tc
/// by links of the kernel's or as filters, whatever it has.
pub(crate) fn attached(node: &Node) -> Vec<String> {
    let shown = node.netns.ip("-d -o link show").unwrap();
    let mut attached = Vec::new();
    for line in shown.lines() {
        let name = line.split(':').nth(1).unwrap();
        let name = name.trim().split('@').next().unwrap().to_owned();
        if line.contains("prog/xdp") {
            attached.push(format!("{name} xdp"));
        }
        for (way, words, hook) in [
            (TcAttachType::Ingress, "ingress", "tc"),
            (TcAttachType::Egress, "egress", "tc egress"),
        ] {
            let programs = match Tc::of_kernel() {
                Tc::Tcx => {
                    let query = || SchedClassifier::query_tcx(&name, way);
                    match node.netns.run(query).unwrap() {
                        Ok((_, programs)) => programs.len(),
                        // A container that ended took its cable along since it was listed.
                        Err(error) if gone(&error) => 0,
                        Err(error) => panic!("{name}: {error}"),
                    }
                }
                Tc::Clsact => {
                    let show = ["filter", "show", "dev", &name, words];
                    let shown = shell::stdout(node.netns.command("tc").args(show)).unwrap();
                    shown.matches("direct-action").count()
                }
            };
            attached.extend((0..programs).map(|_| format!("{name} {hook}")));
        }
    }
    attached.sort();
    attached
}

/// Is it that there is no such device?
fn gone(error: &ProgramError) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let os = error.downcast_ref::<std::io::Error>();
        if os.and_then(std::io::Error::raw_os_error) == Some(libc::ENODEV) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Entries in the kernel for the service with this key and these published ports; of the stock mesh's,
/// nothing is known.
pub(crate) fn traces(node: &Node, service: u64, ports: &[u16]) -> Vec<String> {
    if by_mesh() {
        return Vec::new();
    }
    if by_ipvs() {
        return servers(node, ports);
    }
    let own = |port: u16| ports.contains(&port);
    let mut found = Vec::new();
    // Tables that frontends name, and whether it is one of these ports; whose the others are, nobody can tell.
    let mut tables = BTreeMap::new();
    for (port, frontend) in entries!(node, Port, Frontend, "LB_FRONTENDS") {
        *tables.entry(frontend.table).or_default() |= own(port.number.get());
        if own(port.number.get()) {
            found.push(format!("{port:?}: {frontend:?}"));
        }
    }
    for (port, turn) in entries!(node, Port, u64, "LB_RR") {
        if own(port.number.get()) {
            found.push(format!("{port:?}: turn {turn}"));
        }
    }
    for (slot, task) in entries!(node, Slot, u64, "LB_SLOTS") {
        if tables.get(&slot.table).is_none_or(|own| *own) {
            found.push(format!("{slot:?}: {task:x}"));
        }
    }
    for (key, target) in entries!(node, TargetKey, Be16, "LB_TARGETS") {
        if own(key.port.number.get()) {
            found.push(format!("{key:?}: {target}"));
        }
    }
    for (task, backend) in entries!(node, u64, Backend, "LB_BACKENDS") {
        if backend.service == service {
            found.push(format!("{task:x}: {backend:?}"));
        }
    }
    for (key, counters) in entries!(node, u64, Counters, "LB_RETIRED") {
        if key == service {
            found.push(format!("{counters:?}"));
        }
    }
    for flows in [
        entries!(node, Tuple, Flow, "LB_FLOWS"),
        entries!(node, Tuple, Flow, "LB_FLOWS_ANY"),
        entries!(node, Tuple, Flow, "LB_EMBRYONIC"),
    ] {
        for (tuple, flow) in flows {
            if own(tuple.destination_port.get()) {
                found.push(format!("{tuple:?}: {flow:?}"));
            }
        }
    }
    for replies in [
        entries!(node, Tuple, RevNat, "LB_REV_NAT"),
        entries!(node, Tuple, RevNat, "LB_REV_NAT_ANY"),
        entries!(node, Tuple, RevNat, "LB_REV_NAT_EMB"),
    ] {
        for (tuple, reply) in replies {
            if own(reply.port.get()) {
                found.push(format!("{tuple:?}: {reply:?}"));
            }
        }
    }
    for kept in [
        entries!(node, AffinityKey, AffinityValue, "LB_AFFINITY"),
        entries!(node, AffinityKey, AffinityValue, "LB_AFFINITY_EMB"),
    ] {
        for (client, kept) in kept {
            if client.service == service {
                found.push(format!("{client:?}: {kept:?}"));
            }
        }
    }
    for (call, called) in entries!(node, SockRevNatKey, SockRevNatValue, "LB_SOCK_REV_NAT") {
        if own(called.port.get()) {
            found.push(format!("{call:?}: {called:?}"));
        }
    }
    for (tuple, caller) in entries!(node, Tuple, SnatEntry, "LB_HAIRPIN_SNAT") {
        if own(tuple.destination_port.get()) {
            found.push(format!("{tuple:?}: {caller:?}"));
        }
    }
    for source in allowed(node) {
        if own(source.port.number.get()) {
            found.push(format!("{source:?}"));
        }
    }
    found
}

/// Numbers of the ports that have a frontend, by eBPF.
pub(crate) fn frontends(node: &Node) -> Vec<u16> {
    if by_ipvs() || by_mesh() {
        return Vec::new();
    }
    let frontends = entries!(node, Port, Frontend, "LB_FRONTENDS").into_iter();
    frontends.map(|(port, _)| port.number.get()).collect()
}

/// Networks that may call restricted ports.
fn allowed(node: &Node) -> Vec<Source> {
    let map = Map::LpmTrie(open(node, "LB_ALLOWED"));
    type Data = [u8; size_of::<Source>()];
    let map = LpmTrie::<_, Data, u32>::try_from(map).unwrap();
    let keys = map.keys().map(Result::unwrap);
    keys.map(|key| Source::read_from_bytes(&key.data()).unwrap())
        .collect()
}

/// Lines of the kernel's own tools about these ports: virtual services, their destinations, elements of sets.
fn servers(node: &Node, ports: &[u16]) -> Vec<String> {
    let told = [
        node.exec("ipvsadm", &["-Sn"]).unwrap(),
        node.exec("nft", &["list", "table", "ip", "swarmlb"])
            .unwrap(),
    ];
    let own = |line: &&str| {
        let words = line.split(|c: char| !c.is_ascii_digit());
        let mut numbers = words.filter_map(|word| word.parse().ok());
        numbers.any(|number: u16| ports.contains(&number))
    };
    let lines = told.iter().flat_map(|said| said.lines().filter(own));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// Tasks whose flows the node counts.
pub(crate) fn weighed(node: &Node) -> Vec<u64> {
    let loads = entries!(node, u64, u64, "LB_CONNS").into_iter();
    loads.map(|(task, _)| task).collect()
}

/// Tasks that the node counts traffic of.
pub(crate) fn counted(node: &Node) -> Vec<u64> {
    let map = Map::PerCpuHashMap(open(node, "LB_COUNTERS"));
    type Value = [u8; size_of::<Counters>()];
    let map = aya::maps::PerCpuHashMap::<_, u64, Value>::try_from(map).unwrap();
    map.keys().map(Result::unwrap).collect()
}

/// Lets the node forget what routers have told it of paths to other nodes, by eBPF; the MTUs that it knew, in bytes.
pub(crate) fn forget_path_mtus(node: &Node) -> Vec<u32> {
    if by_ipvs() || by_mesh() {
        return Vec::new(); // The kernel itself keeps them, with its routes.
    }
    let known = entries!(node, Be32, PathMtu, "LB_PATH_MTU");
    let map = Map::HashMap(open(node, "LB_PATH_MTU"));
    type Value = [u8; size_of::<PathMtu>()];
    let mut map = HashMap::<_, [u8; 4], Value>::try_from(map).unwrap();
    for (peer, _) in &known {
        map.remove(&peer.to_bytes()).unwrap();
    }
    known.into_iter().map(|(_, path)| path.mtu).collect()
}

/// Packets that the programs dropped so far, with the reason, on each node that has any.
pub(crate) fn drops(nodes: &[Node]) -> Vec<(String, Reason, u64)> {
    let mut drops = Vec::new();
    if by_ipvs() || by_mesh() {
        return drops; // They have no such counters.
    }
    for node in nodes {
        let map = Map::PerCpuArray(open(node, "LB_DROPS"));
        let map = PerCpuArray::<_, u64>::try_from(map).unwrap();
        for (index, reason) in (0..).zip(Reason::ALL) {
            let count: u64 = map.get(&index, 0).unwrap().iter().sum();
            if count > 0 {
                drops.push((node.name.clone(), *reason, count));
            }
        }
    }
    drops
}

/// Entries that the map `name` has room for, by eBPF.
pub(crate) fn room(node: &Node, name: &str) -> u64 {
    open(node, name).info().unwrap().max_entries().into()
}

fn open(node: &Node, name: &str) -> MapData {
    let path = node.path(&format!("{PINS}/v{}/{name}", lb_abi::VERSION));
    MapData::from_pin(path.unwrap()).unwrap()
}
