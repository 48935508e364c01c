//! The generation of the ruleset, by which changes of others are noticed.

use crate::namespace::in_namespace;
use crate::ruleset::{device, elements, put};
use agent::kernel::ipvs::ruleset::*;
use lb_netlink::nft;
use lb_netlink::socket::NetlinkSocket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use std::time::Duration;

#[test]
fn every_batch_is_a_generation_and_what_expires_is_none() {
    in_namespace("generations", |netlink| {
        device();
        put(netlink, &elements());
        let first = nft::generation(netlink).unwrap().unwrap();
        assert_eq!(nft::generation(netlink).unwrap(), Some(first));
        nft::apply(netlink, &lease(Duration::from_millis(100))).unwrap();
        assert_eq!(nft::generation(netlink).unwrap(), Some(first.next()));
        // Its end is none either.
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(lease_left(netlink).unwrap(), None);
        assert_eq!(nft::generation(netlink).unwrap(), Some(first.next()));
        // Others' are told, wherever they change something.
        let theirs = nft::TableName {
            family: nft::Family::Ip,
            name: "theirs",
        };
        let mut other = NetlinkSocket::open(NETLINK_NETFILTER).unwrap();
        let table = nft::Change::AddTable(nft::Table {
            name: theirs,
            comment: None,
        });
        nft::apply(&mut other, &[table]).unwrap();
        assert_eq!(nft::generation(netlink).unwrap(), Some(first.next().next()));
    });
}
