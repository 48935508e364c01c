//! Rules for frames of containers: none under the address of a task that is another container.
//!
//! A container with `CAP_NET_RAW`, as Docker gives it, writes frames with whatever sender it likes: answers in
//! a task's name, and ARP that leads the task's packets to it. Which container is meant says the port of the
//! bridge, which only rules of the family `bridge` see.

use super::TABLE_BRIDGE;
use super::keys::{Expressions, KEY, SOURCE};
use super::line::{Line, named};
use super::sets::{ENDPOINTS, LEASE_BRIDGE, TASKS};
use super::statements::{counted, drop};
use lb_netlink::nft::{
    self, Chain, ChainKind, Change, Comparison, Error, Expression, Found, Hook, Layer, Meta,
    PRIO_FILTER, Payload, Register, Table, TableName,
};
use lb_netlink::socket::NetlinkSocket;

/// The sender's protocol address in ARP for IPv4 on Ethernet (RFC 826).
const ARP_SENDER: Payload = Payload {
    layer: Layer::Network,
    offset: 14,
    length: 4,
};
/// `ETH_P_IP` and `ETH_P_ARP` of include/uapi/linux/if_ether.h.
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;

/// Without a lease nothing: an address may be that of another container by now.
pub(super) fn spoofed() -> Vec<Line> {
    let each = [(IPV4, SOURCE), (ARP, ARP_SENDER)].map(|(kind, sender)| {
        named(
            "spoofed",
            [
                ether_type(kind),
                of_another(sender),
                leased(),
                counted(),
                drop(),
            ],
        )
    });
    each.to_vec()
}

fn ether_type(number: u16) -> Expressions {
    let bytes = number.to_be_bytes().to_vec();
    vec![
        Expression::Meta(Meta::EtherType, KEY),
        Expression::Compare(KEY, Comparison::Equal, bytes),
    ]
}

fn of_another(sender: Payload) -> Expressions {
    vec![
        Expression::Payload(sender, KEY),
        Expression::Lookup(TASKS, KEY, Found::Present),
        Expression::Meta(Meta::InIndex, Register::W1),
        Expression::Lookup(ENDPOINTS, KEY, Found::Absent),
    ]
}

fn leased() -> Expressions {
    vec![
        Expression::Meta(Meta::Network, KEY),
        Expression::Lookup(LEASE_BRIDGE, KEY, Found::Present),
    ]
}

/// Tries whether this kernel has rules for frames of bridges; nothing is left of it.
///
/// # Errors
/// When it has not.
pub fn probe(socket: &mut NetlinkSocket) -> Result<(), Error> {
    let table = TableName {
        name: "swarmlb_probe",
        ..TABLE_BRIDGE
    };
    let chain = Chain {
        table,
        name: "probe",
        base: Some((ChainKind::Filter, Hook::Prerouting, PRIO_FILTER)),
    };
    let comment = None;
    let changes = [
        Change::AddTable(Table {
            name: table,
            comment,
        }),
        Change::AddChain(chain),
        Change::DeleteTable(table),
    ];
    nft::apply(socket, &changes)
}
