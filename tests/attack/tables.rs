//! The tables of flows: in this suite as small as agents make them, so that an attack fills them at little cost.

use std::time::Duration;

use harness::agents::by_ipvs;
use harness::node::Node;
use harness::wait;
use lb_core::report::Status;

use crate::scale::load;

/// What is deployed over the agents' stack.
pub(crate) const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/attack/small_tables.yml");
/// Places in the largest of them.
const PLACES: u32 = 16_384;
/// By IPVS, where a node's memory alone says for how many connections there is room.
const BY_IPVS: u32 = 370_000;
/// An agent has counted its tables by then.
const COUNTED: Duration = Duration::from_secs(60);

/// So many clients that those that are lost on the way, or come in groups, leave no table of the node's flows with
/// room. By IPVS a tenth of what is more than many machines have room for, or all of it ([`load`]).
pub(crate) fn more_clients_than_fit(node: &Node) -> u32 {
    if by_ipvs() {
        return load(BY_IPVS);
    }
    let largest = wait::until("the sizes of the tables", COUNTED, || Ok(largest(node)));
    let places = largest.unwrap();
    assert_eq!(places, u64::from(PLACES), "places of {}", node.name);
    2 * PLACES + PLACES / 4
}

/// Places in the largest table of the node's flows; none before they were counted.
fn largest(node: &Node) -> Option<u64> {
    let status: Status = serde_json::from_value(node.report(&["status"]).unwrap()).unwrap();
    let of_flows = status.tables.iter().filter(|table| {
        let mut maps = table.maps.iter();
        maps.any(|map| map.starts_with("LB_FLOWS") || map == "LB_EMBRYONIC")
    });
    of_flows.map(|table| table.places).max()
}
