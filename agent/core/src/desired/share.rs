//! The share of one service in the tables that all services of a node share: a quarter of each, so that
//! what one asks for leaves room for the others; and what all of them can have together. It is the share in the
//! smallest tables of any back end, so that a service has the same ports on all nodes.

/// Published ports of a service.
pub const PORTS: usize = 4_096;
/// Published ports of all services.
pub const ALL_PORTS: usize = 16_384;
/// Places in the table of a service, which its ports share.
pub const PLACES: usize = 65_536;
/// Places in the tables of all services; as much room again is for tables that replace others.
pub const ALL_PLACES: usize = 131_072;
/// Pairs of a port and a replica, of a service: by IPVS each task of a port is a destination of its own. While an update replaces
/// tasks, there are more.
pub const PAIRS: usize = 65_536;
/// Pairs of a restricted port and a network that may use it, of a service.
pub const ALLOWED: usize = 16_384;

/// Networks that the tasks of a node reach by devices of their own: of all tasks together.
pub const ON_LINK: usize = 65_536;
/// Of these, those of one task. Docker gives it one for each network that it is attached to.
pub const ON_LINK_OF_TASK: usize = 64;
/// Pairs of a port and a task that has another port for it than the service has now.
pub const TARGETS: usize = 16_384;

/// The number of ports that a service with so many replicas can have.
pub(super) fn ports(replicas: usize) -> usize {
    PAIRS
        .checked_div(replicas)
        .map_or(PORTS, |most| most.min(PORTS))
}

/// The number of networks that a service can allow on each of its `ports` ports.
pub(super) fn networks(ports: usize) -> usize {
    ALLOWED.checked_div(ports).unwrap_or(ALLOWED)
}

#[test]
fn a_service_has_at_most_a_quarter_of_each_table() {
    assert_eq!((ports(0), ports(1), ports(16)), (4_096, 4_096, 4_096));
    assert_eq!((ports(100), ports(65_536), ports(65_537)), (655, 1, 0));
    assert_eq!(
        (networks(0), networks(4), networks(4_096)),
        (16_384, 4_096, 4)
    );
}
