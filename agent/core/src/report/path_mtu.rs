//! Detects paths to other nodes that carry smaller packets than the uplink.

use crate::model::node::Node;
use crate::model::snapshot::Snapshot;
use crate::report::Problem;

/// Limit on nodes that the message names; it gives the number of further ones.
const NAMED: usize = 3;

/// A problem if the path to another node of the Swarm has a smaller MTU than this node's uplink.
#[must_use]
pub fn path_mtu(snapshot: &Snapshot, node: &Node) -> Option<Problem> {
    let uplink = node.uplink.as_ref()?;
    let mut narrow: Vec<(u32, &str)> = snapshot
        .nodes
        .iter()
        .filter(|(id, _)| **id != node.id)
        .filter_map(|(_, peer)| Some((*node.path_mtus.get(&peer.address?)?, peer)))
        .filter(|(mtu, _)| *mtu < uplink.mtu)
        .map(|(mtu, peer)| (mtu, peer.hostname.as_str()))
        .collect();
    narrow.sort_unstable();
    let (least, _) = *narrow.first()?;
    let named = narrow.get(..NAMED).unwrap_or(&narrow).iter();
    let named: Vec<String> = named
        .map(|(mtu, hostname)| format!("{hostname} ({mtu} bytes)"))
        .collect();
    let more = match narrow.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (list, link) = (named.join(", "), &uplink.name);
    Some(Problem {
        object: "path MTU".to_owned(),
        message: format!(
            "routes, or routers on the way, say that packets of {} bytes, the MTU of {link}, don't come through to {list}{more}: \
             each time a path gets narrower some are lost; give {link} an MTU of {least} bytes, or the paths that of {link}",
            uplink.mtu
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SnapshotBuilder, link, member};
    use std::net::Ipv4Addr;

    const fn address(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    fn told(path_mtus: &[(u8, u32)]) -> Option<String> {
        let nodes = ["a", "b", "c", "d", "e"];
        let view = (1..)
            .zip(nodes)
            .fold(SnapshotBuilder::new(), |view, (n, id)| {
                view.node(id, member(id, Some(address(n))))
            });
        let node = Node {
            id: "a".into(),
            uplink: Some(link("eth0", 2)),
            path_mtus: path_mtus
                .iter()
                .map(|(n, mtu)| (address(*n), *mtu))
                .collect(),
            ..Node::default()
        };
        path_mtu(&view.build(), &node).map(|problem| problem.message)
    }

    #[test]
    fn a_narrow_path_is_named_with_what_to_do() {
        assert_eq!(told(&[]), None);
        let message = told(&[(2, 1400)]).unwrap();
        for words in [
            "through to b (1400 bytes):",
            "give eth0 an MTU of 1400 bytes",
        ] {
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn of_many_the_narrowest_are_named() {
        let message = told(&[(2, 1450), (3, 1300), (4, 1400), (5, 1480)]).unwrap();
        let list = "to c (1300 bytes), d (1400 bytes), b (1450 bytes) and 1 more:";
        assert!(message.contains(list), "{message}");
    }

    #[test]
    fn the_node_itself_strangers_and_wide_paths_are_no_problem() {
        assert_eq!(told(&[(1, 1400), (9, 1400), (2, 1500), (3, 9000)]), None);
    }
}
