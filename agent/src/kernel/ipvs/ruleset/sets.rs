//! The sets by name, and what is in them.

use super::timeouts::{AWAITED, CALL, EXCHANGE, IDLE, OPENING_FOR, QUESTION};
use super::{TABLE, TABLE_BRIDGE, TABLE_TUNNEL, TABLE6};
use lb_netlink::nft::{Field, Set, SetKind, SetName, TableName};
use std::time::Duration;

const fn set(table: TableName, name: &'static str) -> SetName {
    SetName { table, name }
}

/// One element, as long as somebody keeps the other sets: `NFPROTO_IPV4`, which every packet of
/// the table bears.
pub const LEASE: SetName = set(TABLE, "lease");
/// All virtual services by address that are ours. No rule uses it.
pub(super) const OWNED: SetName = set(TABLE, "owned");
/// All virtual services by mark that are ours. No rule uses it.
pub(super) const MARKS: SetName = set(TABLE, "marks");
/// Virtual services that get packets.
pub const VIPS: SetName = set(TABLE, "vips");
/// Addresses and ports from which tasks of this node reply.
pub(super) const ANSWERS: SetName = set(TABLE, "answers");
/// Tasks whose replies connection tracking has to see.
pub(super) const TRACKED: SetName = set(TABLE, "tracked");
/// Ports on which the node answers calls from itself.
pub(super) const PUBLISHED: SetName = set(TABLE, "published");
/// Ports on which the node would answer calls from itself, for IPv6, where nobody answers.
pub(super) const PUBLISHED6: SetName = set(TABLE6, "published");
/// Ports of tasks that reply past the node that was called.
pub(super) const DIRECT: SetName = set(TABLE, "direct");
/// Restricted ports.
pub(super) const RESTRICTED: SetName = set(TABLE, "restricted");
/// Networks that may use restricted ports.
pub const ALLOWED: SetName = set(TABLE, "allowed");
/// Indexes of this node's bridges.
pub(super) const BRIDGES: SetName = set(TABLE, "bridges");
/// Other nodes, with their route addresses.
pub(super) const PEERS: SetName = set(TABLE, "peers");
/// Cookies of other nodes' tunnel packets: address, 16 bits, 8 bits.
pub(super) const COOKIES: SetName = set(TABLE, "cookies");
/// The first 16 bits of what tunnel packets to other nodes bear.
pub(super) const COOKIE_HIGH: SetName = set(TABLE, "cookie_high");
/// The other 8 bits of that: what a rule looks up, it can write to one place only.
pub(super) const COOKIE_LOW: SetName = set(TABLE, "cookie_low");
/// The epoch of the keys from which those follow, and the keys themselves as its user data. No rule uses it.
pub(super) const KEYS: SetName = set(TABLE, "keys");
/// Addresses from which tasks reply for other nodes, with the route addresses of those.
pub const ORIGINS: SetName = set(TABLE, "origins");
/// TCP connections that began while there was no lease: client, its port, address, port.
pub const RELEASED: SetName = set(TABLE, "released");
/// Clients' ports by which connections are known, or were a while ago: client, port.
pub(super) const CALLERS: SetName = set(TABLE, "callers");
/// Connections: client, its port, address, port; with the route address of the node that they came from, if a
/// task's replies find it by nothing else.
pub(super) const CALLS: SetName = set(TABLE, "calls");
/// Connections whose clients have not gone on behind their SYN.
pub(super) const OPENING: SetName = set(TABLE, "opening");
/// Exchanges of datagrams, with the fields of `CALLS`.
pub(super) const DATAGRAMS: SetName = set(TABLE, "datagrams");
/// Exchanges of datagrams that were answered.
pub(super) const ANSWERED: SetName = set(TABLE, "answered");
/// Exchanges of datagrams that IPVS has handed to tasks of this node: client, its port, task, port.
pub(super) const DELIVERED: SetName = set(TABLE, "delivered");
/// Answers to datagrams that this node, or a container on it, sent from the port of a virtual service: far end, its port,
/// address, port.
pub(super) const ASKED: SetName = set(TABLE, "asked");
/// Those of `ASKED` that a process of this node waits for.
pub(super) const ASKED_HERE: SetName = set(TABLE, "asked_here");
/// Transport protocols of which there were more flows than there is room for.
pub(super) const CROWDED: SetName = set(TABLE, "crowded");
/// Connections that are presented under another port, with that.
pub(super) const REMAPPED_PORTS: SetName = set(TABLE, "remapped_ports");
/// Connections of `REMAPPED_PORTS` as the task sees them, under that port, with the client's own.
pub(super) const ORIGINAL_PORTS: SetName = set(TABLE, "original_ports");
/// One element, `NFPROTO_BRIDGE`: the lease, for the rules about frames.
pub const LEASE_BRIDGE: SetName = set(TABLE_BRIDGE, "lease");
/// Addresses of this node's tasks whose ports of bridges are known.
pub(super) const TASKS: SetName = set(TABLE_BRIDGE, "tasks");
/// Addresses of `TASKS`, each with the index of its port of a bridge.
pub(super) const ENDPOINTS: SetName = set(TABLE_BRIDGE, "endpoints");
/// Tunnel ids with a transport protocol and port, with the mark of the task that is meant.
pub(super) const TAGS: SetName = set(TABLE_TUNNEL, "tags");

/// Tunnel ids with a destination and a port that a task itself listens on, with the mark of that task.
pub(super) const OWN_TAGS: SetName = set(TABLE_TUNNEL, "own_tags");
/// Route addresses by which processes of this node call tasks on other nodes.
pub(super) const OWN_ADDRESSES: SetName = set(TABLE, "own_addresses");
/// Addresses of `OWN_ADDRESSES`, each with the route address of the node on which its task is.
pub(super) const OWN_PEERS: SetName = set(TABLE, "own_peers");
/// Addresses and ports from which tasks of this node reply, whom its processes call there as well.
pub(super) const OWN_ANSWERS: SetName = set(TABLE, "own_answers");

/// Largest number of elements in sets of rare events.
const MANY: u32 = 65535;
/// Transport protocols.
const FEW: u32 = 16;

/// Interval of garbage collection. The kernel's own default is one second.
const GC_INTERVAL: Duration = Duration::from_secs(30);
/// Interval of garbage collection in sets that floods fill: entries that ended take room until then.
const GC_INTERVAL_FLOODED: Duration = Duration::from_secs(5);

/// All sets, with room for so many `connections`.
pub(super) fn all(connections: u32) -> [Set; 38] {
    use Field::{Address, Device, Mark, Network, Transport};
    let service = || vec![Address, Transport, Field::Port];
    let port = || vec![Transport, Field::Port];
    let dynamic = |timeout, size, gc_interval| SetKind::Dynamic {
        timeout,
        size,
        gc_interval,
    };
    let rare = || dynamic(IDLE, connections.min(MANY), GC_INTERVAL);
    let many = |timeout| dynamic(timeout, connections, GC_INTERVAL_FLOODED);
    let connection = || vec![Address, Field::Port, Address, Field::Port];
    let plain = SetKind::Plain;
    let make = |name, key, value, kind| Set {
        name,
        key,
        value,
        kind,
    };
    [
        make(LEASE, vec![Network], None, SetKind::Expiring),
        make(LEASE_BRIDGE, vec![Network], None, SetKind::Expiring),
        make(TASKS, vec![Address], None, plain),
        make(ENDPOINTS, vec![Address, Device], None, plain),
        make(OWNED, service(), None, plain),
        make(MARKS, vec![Mark], None, plain),
        make(VIPS, service(), None, plain),
        make(ANSWERS, service(), None, plain),
        make(TRACKED, service(), None, plain),
        make(PUBLISHED, port(), None, plain),
        make(PUBLISHED6, port(), None, plain),
        make(DIRECT, port(), None, plain),
        make(RESTRICTED, port(), None, plain),
        make(
            ALLOWED,
            vec![Transport, Field::Port, Address],
            None,
            SetKind::Ranges,
        ),
        make(BRIDGES, vec![Device], None, plain),
        make(PEERS, vec![Address], Some(Mark), plain),
        make(KEYS, vec![Mark], None, plain),
        // `nft` has no types for bytes that mean nothing: it lists these as a port and a protocol.
        make(COOKIES, vec![Address, Field::Port, Transport], None, plain),
        make(COOKIE_HIGH, vec![Address], Some(Field::Port), plain),
        make(COOKIE_LOW, vec![Address], Some(Transport), plain),
        make(ORIGINS, vec![Address], Some(Address), plain),
        make(RELEASED, connection(), None, many(IDLE)),
        make(CALLERS, vec![Address, Field::Port], None, many(CALL)),
        make(CALLS, connection(), Some(Address), many(CALL)),
        make(OPENING, connection(), None, many(OPENING_FOR)),
        make(DATAGRAMS, connection(), Some(Address), many(QUESTION)),
        make(ANSWERED, connection(), None, many(EXCHANGE)),
        make(DELIVERED, connection(), None, many(EXCHANGE)),
        make(ASKED, connection(), None, many(AWAITED)),
        make(ASKED_HERE, connection(), None, many(AWAITED)),
        make(
            CROWDED,
            vec![Transport],
            None,
            dynamic(IDLE, FEW, GC_INTERVAL),
        ),
        make(REMAPPED_PORTS, connection(), Some(Field::Port), rare()),
        make(ORIGINAL_PORTS, connection(), Some(Field::Port), rare()),
        make(TAGS, vec![Mark, Transport, Field::Port], Some(Mark), plain),
        make(
            OWN_TAGS,
            vec![Mark, Address, Field::Port],
            Some(Mark),
            plain,
        ),
        make(OWN_ADDRESSES, vec![Address], None, plain),
        make(OWN_PEERS, vec![Address, Address], None, plain),
        make(OWN_ANSWERS, service(), None, plain),
    ]
}
