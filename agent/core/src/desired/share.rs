//! The share of one service in the tables that all services of a node share: a quarter of each, so that
//! what one asks for leaves room for the others. It is the share in the smallest tables of any
//! back end, so that a service has the same ports on all nodes.

/// Published ports.
pub const PORTS: usize = 4_096;
/// Places in the tables of its ports together; half the room is for tables that replace others.
pub const PLACES: usize = 65_536;
/// Pairs of a restricted port and a network that may use it.
pub const ALLOWED: usize = 16_384;

/// The number of ports that a service can have, whose tables have `places` places each.
pub(super) fn ports(places: usize) -> usize {
    PLACES
        .checked_div(places)
        .map_or(PORTS, |most| most.min(PORTS))
}

/// The number of networks that a service can allow on each of its `ports` ports.
pub(super) fn networks(ports: usize) -> usize {
    ALLOWED.checked_div(ports).unwrap_or(ALLOWED)
}

#[test]
fn a_service_has_at_most_a_quarter_of_each_table() {
    assert_eq!((ports(0), ports(1), ports(2)), (4_096, 4_096, 4_096));
    assert_eq!((ports(100), ports(65_521), ports(65_537)), (655, 1, 0));
    assert_eq!(
        (networks(0), networks(4), networks(4_096)),
        (16_384, 4_096, 4)
    );
}
