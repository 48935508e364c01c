//! Networks that tasks of this node reach by devices of their own, and under which address they see clients of those.

use crate::desired::Desired;
use crate::model::ids::Key;
use ipnet::Ipv4Net;
use lb_abi::flow::{UNDER_GATEWAY, UNDER_NODE};
use std::collections::BTreeMap;

/// The address of the node, or where that is in such a network of the task itself, the node's one on
/// `docker_gwbridge`.
pub(super) fn networks(desired: &Desired) -> BTreeMap<(Key, Ipv4Net), u32> {
    let Some(host) = &desired.host else {
        return BTreeMap::new();
    };
    let mut all = BTreeMap::new();
    for (task, networks) in &desired.on_link {
        let of_node = networks.iter().any(|it| it.contains(&host.address));
        let under = if of_node && host.gateway.is_some() {
            UNDER_GATEWAY
        } else {
            UNDER_NODE
        };
        all.extend(networks.iter().map(|network| ((*task, *network), under)));
    }
    all
}
