//! The sets by name, and what is in them.

use super::{TABLE, TABLE_TUNNEL, TABLE6};
use crate::nft::{Field, Set, SetKind, SetName, TableName};
use std::time::Duration;

const fn set(table: TableName, name: &'static str) -> SetName {
    SetName { table, name }
}

/// One element, as long as somebody keeps the other sets: `NFPROTO_IPV4`, which every packet of
/// the table bears.
pub const LEASE: SetName = set(TABLE, "lease");
/// All virtual servers by address that are ours. No rule uses it.
pub(super) const OWNED: SetName = set(TABLE, "owned");
/// All virtual servers by mark that are ours. No rule uses it.
pub(super) const MARKS: SetName = set(TABLE, "marks");
/// Virtual servers that get packets.
pub const CLAIMS: SetName = set(TABLE, "claims");
/// Tasks of this node, as they answer.
pub(super) const ANSWERS: SetName = set(TABLE, "answers");
/// Ports on which the node answers calls from itself.
pub(super) const PUBLISHED: SetName = set(TABLE, "published");
/// The same for IPv6, where nobody answers.
pub(super) const PUBLISHED6: SetName = set(TABLE6, "published");
/// Ports of tasks that reply past the node that was called.
pub(super) const DIRECT: SetName = set(TABLE, "direct");
/// Ports that not everybody may call.
pub(super) const RESTRICTED: SetName = set(TABLE, "restricted");
/// Who may call them.
pub const ALLOWED: SetName = set(TABLE, "allowed");
/// Indexes of this node's bridges.
pub(super) const BRIDGES: SetName = set(TABLE, "bridges");
/// Other nodes, with their aliases.
pub(super) const PEERS: SetName = set(TABLE, "peers");
/// Addresses from which tasks reply for other nodes, with the aliases of those.
pub(super) const ORIGINS: SetName = set(TABLE, "origins");
/// The same, as it was seen in packets: other addresses of the nodes.
pub const LEARNED: SetName = set(TABLE, "learned");
/// TCP connections that began while there was no lease: client, its port, address, port.
pub const RELEASED: SetName = set(TABLE, "released");
/// Clients' ports by which connections are known, or were a while ago: client, port.
pub(super) const CALLERS: SetName = set(TABLE, "callers");
/// Those connections: client, its port, address, port.
pub(super) const CALLS: SetName = set(TABLE, "calls");
/// Connections that are presented under another port, with that.
pub(super) const ALIASES: SetName = set(TABLE, "aliases");
/// The same under that port, with the client's.
pub(super) const ALIASED: SetName = set(TABLE, "aliased");
/// Tunnel ids with a transport protocol and port, with the mark of the task that is meant.
pub(super) const TAGS: SetName = set(TABLE_TUNNEL, "tags");

/// What packets put into sets lasts so long without any more of them.
const IDLE: Duration = Duration::from_secs(3600);
/// So much of it there is at most.
const MANY: u32 = 65535;

/// And so much of what is kept of each connection.
const CONNECTIONS: u32 = 131_072;

/// All of them.
pub(super) fn all() -> [Set; 20] {
    use Field::{Address, Device, Mark, Network, Transport};
    let service = || vec![Address, Transport, Field::Port];
    let port = || vec![Transport, Field::Port];
    let dynamic = SetKind::Dynamic {
        timeout: IDLE,
        size: MANY,
    };
    let connections = SetKind::Dynamic {
        timeout: IDLE,
        size: CONNECTIONS,
    };
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
        make(OWNED, service(), None, plain),
        make(MARKS, vec![Mark], None, plain),
        make(CLAIMS, service(), None, plain),
        make(ANSWERS, service(), None, plain),
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
        make(ORIGINS, vec![Address], Some(Address), plain),
        make(LEARNED, vec![Address], Some(Address), dynamic),
        make(RELEASED, connection(), None, dynamic),
        make(CALLERS, vec![Address, Field::Port], None, connections),
        make(CALLS, connection(), None, connections),
        make(ALIASES, connection(), Some(Field::Port), dynamic),
        make(ALIASED, connection(), Some(Field::Port), dynamic),
        make(TAGS, vec![Mark, Transport, Field::Port], Some(Mark), plain),
    ]
}
