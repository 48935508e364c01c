//! Addresses of tasks for processes on nodes.

use crate::model::ids::Key;
use std::net::Ipv6Addr;

/// The address by which processes on any node reach the task with this key, at the port that it listens on
/// ([`lb_abi::sock_rev_nat::address_of`]).
#[must_use]
pub fn task_address(task: Key) -> Ipv6Addr {
    let bits = lb_abi::sock_rev_nat::address_of(task.0).map(|word| u128::from(word.get()));
    Ipv6Addr::from(bits.into_iter().fold(0, |all, word| all << 32 | word))
}

#[test]
fn a_task_has_a_local_address_of_its_own() {
    let address = task_address(Key(0x0123_4567_89ab_cdef));
    assert_eq!(address.to_string(), "fdb4:2e91:7ac3:0:123:4567:89ab:cdef");
    assert!(address.is_unique_local());
}
