//! Messages against those of `ip` (iproute2 6.1), as `strace` showed them.

use super::batch::Step;
use super::*;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload, Parseable as _};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::RuleMessage;
use proptest::prelude::*;
use std::net::Ipv4Addr;

/// The protocol number of the routes and rules that were captured.
const PROTOCOL: u8 = 108;

/// What follows the header of a netlink message.
fn body(message: RouteNetlinkMessage) -> Vec<u8> {
    let mut packet = NetlinkMessage::from(message);
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    bytes[16..].to_vec()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: String = hexadecimal.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// `ip` brings devices up, and says that they need no ARP, in a second message.
/// Compared as values: the library ends the kind's name with a zero, which `ip` leaves out.
fn without_flags((message, _): Step) -> LinkMessage {
    fn plain(message: &mut LinkMessage) {
        message.header.flags = LinkFlags::empty();
        message.header.change_mask = LinkFlags::empty();
    }
    use netlink_packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkInfo};
    let RouteNetlinkMessage::NewLink(mut message) = message else {
        panic!("no new device");
    };
    plain(&mut message);
    for attribute in &mut message.attributes {
        let LinkAttribute::LinkInfo(infos) = attribute else {
            continue;
        };
        for info in infos {
            if let LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))) = info {
                plain(peer);
            }
        }
    }
    message
}

#[test]
fn a_tunnel_is_asked_for_as_ip_does() {
    // ip link add swlb0 mtu 1464 type vxlan external gpe dstport 4790
    let theirs = bytes(
        "00000000 00000000 00000000 00000000  08000400 b8050000  0a000300 73776c62 30000000
         30001200  09000100 76786c61 6e000000  20000200  05001900 01000000  04001b00
         05000700 00000000  06000f00 12b60000",
    );
    let ours = without_flags(device::vxlan("swlb0", 4790, 1464));
    assert_eq!(ours, LinkMessage::parse(&theirs).unwrap());
}

#[test]
fn a_pair_is_asked_for_as_ip_does() {
    // ip link add swlb-out mtu 1500 address 02:00:00:00:00:01 type veth
    //     peer name swlb-in mtu 1500 address 02:00:00:00:00:01
    let theirs = bytes(
        "00000000 00000000 00000000 00000000  08000400 dc050000  0a000100 02000000 00010000
         0d000300 73776c62 2d6f7574 00000000
         44001200  08000100 76657468  38000200  34000100  00000000 00000000 00000000 00000000
         08000400 dc050000  0a000100 02000000 00010000  0c000300 73776c62 2d696e00",
    );
    let step = device::veth("swlb-out", "swlb-in", [2, 0, 0, 0, 0, 1], 1500);
    assert_eq!(without_flags(step), LinkMessage::parse(&theirs).unwrap());
}

fn encapsulated() -> Route {
    let encap = Encap {
        id: 77,
        to: Ipv4Addr::new(192, 0, 2, 7),
    };
    Route::host(Ipv4Addr::new(248, 0, 0, 1), 3, Some(encap))
}

#[test]
fn an_encapsulating_route_is_asked_for_as_ip_does() {
    // ip route add 248.0.0.1/32 encap ip id 77 dst 192.0.2.7 dev swlb0 proto 108
    let mut theirs = bytes(
        "02200000 fe6cfd01 00000000  08000100 f8000001  18001680  0c000100 00000000 0000004d
         08000200 c0000207  06001500 02000100  08000400 03000000",
    );
    // `ip` marks the attribute RTA_ENCAP as nested, which the kernel does not look at here; and what stands
    // between two attributes means nothing.
    theirs[23] &= 0x7f;
    theirs[50] = 0;
    let ours = RouteNetlinkMessage::NewRoute(encapsulated().message(PROTOCOL));
    assert_eq!(body(ours), theirs);
}

#[test]
fn a_table_where_all_is_local_is_asked_for_as_ip_does() {
    // ip route add local default dev lo table 5000 proto 108
    let theirs = bytes("02000000 006cfe02 00000000  08000f00 88130000  08000400 01000000");
    let ours = RouteNetlinkMessage::NewRoute(Route::all_local(5000, 1).message(PROTOCOL));
    assert_eq!(body(ours), theirs);
}

fn by_device() -> Rule {
    Rule {
        preference: 5000,
        selector: Selector::Iif("swlb0".into()),
        table: 5000,
    }
}

fn by_mark(value: u32, mask: u32) -> Rule {
    Rule {
        preference: 5001,
        selector: Selector::Mark { value, mask },
        table: 5000,
    }
}

#[test]
fn rules_are_asked_for_as_ip_does() {
    // ip rule add pref 5000 iif swlb0 lookup 5000 proto 108
    let theirs = bytes(
        "02000000 00000001 00000000  08000600 88130000  0a000300 73776c62 30000000
         08000f00 88130000  05001500 6c000000",
    );
    let ours = RouteNetlinkMessage::NewRule(by_device().message(PROTOCOL));
    assert_eq!(body(ours), theirs);
    // ip rule add pref 5001 fwmark 0x10/0xff lookup 5000 proto 108
    let theirs = bytes(
        "02000000 00000001 00000000  08000600 89130000  08000a00 10000000  08001000 ff000000
         08000f00 88130000  05001500 6c000000",
    );
    let ours = RouteNetlinkMessage::NewRule(by_mark(0x10, 0xff).message(PROTOCOL));
    assert_eq!(body(ours), theirs);
}

#[test]
fn a_setting_of_zero_is_said_too() {
    // IFLA_AF_SPEC, AF_INET, IFLA_INET_CONF, IPV4_DEVCONF_RP_FILTER of linux/if_link.h and linux/ip.h.
    let wanted =
        bytes("00000000 00000000 00000000 00000000  14001a00 10000200 0c000180 08000800 00000000");
    let mut message = LinkMessage::default();
    message.attributes = vec![ipv4::attribute(Setting::RpFilter, 0)];
    assert_eq!(body(RouteNetlinkMessage::SetLink(message)), wanted);
}

#[test]
fn all_are_shown_as_ip_shows_them() {
    assert_eq!(
        encapsulated().to_string(),
        "248.0.0.1 encap ip id 77 dst 192.0.2.7 dev if3"
    );
    assert_eq!(
        Route::all_local(5000, 1).to_string(),
        "local default dev if1 table 5000"
    );
    assert_eq!(
        by_device().to_string(),
        "5000: from all iif swlb0 lookup 5000"
    );
    assert_eq!(
        by_mark(16, 255).to_string(),
        "5001: from all fwmark 0x10/0xff lookup 5000"
    );
    assert_eq!(
        by_mark(16, u32::MAX).to_string(),
        "5001: from all fwmark 0x10 lookup 5000"
    );
}

#[test]
fn routes_that_are_not_as_ours_are_left_out() {
    use netlink_packet_route::route::{RouteAddress, RouteProtocol};
    let ours = encapsulated().message(PROTOCOL);
    assert!(Route::read(&ours, PROTOCOL).is_some());
    let mut static_ = ours.clone();
    static_.header.protocol = RouteProtocol::Static;
    assert_eq!(Route::read(&static_, PROTOCOL), None);
    let mut by_gateway = ours;
    let gateway = RouteAddress::Inet(Ipv4Addr::LOCALHOST);
    by_gateway.attributes.push(RouteAttribute::Gateway(gateway));
    assert_eq!(Route::read(&by_gateway, PROTOCOL), None);
}

fn again(message: RouteNetlinkMessage) -> RouteNetlinkMessage {
    let mut packet = NetlinkMessage::from(message);
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    match NetlinkMessage::deserialize(&bytes).unwrap().payload {
        NetlinkPayload::InnerMessage(message) => message,
        other => panic!("{other:?}"),
    }
}

prop_compose! {
    fn any_route()(
        table in 1u32..,
        to: u32,
        length in 0u8..=32,
        local: bool,
        device in 1u32..,
        encap in proptest::option::of(any::<(u64, u32)>()),
        metric: u32,
        source in proptest::option::of(any::<u32>()),
    ) -> Route {
        Route {
            table,
            to: ipnet::Ipv4Net::new(to.into(), length).unwrap().trunc(),
            kind: if local { RouteKind::Local } else { RouteKind::Unicast },
            device,
            encap: encap.map(|(id, to)| Encap { id, to: to.into() }),
            metric,
            source: source.map(Into::into),
        }
    }
}

proptest! {
    #[test]
    fn any_route_is_read_as_it_was_written(route in any_route()) {
        let RouteNetlinkMessage::NewRoute(message) = again(RouteNetlinkMessage::NewRoute(route.message(PROTOCOL))) else {
            panic!("no route");
        };
        prop_assert_eq!(Route::read(&message, PROTOCOL), Some(route));
    }

    #[test]
    fn any_rule_is_read_as_it_was_written(
        preference: u32,
        table in 1u32..,
        selector in prop_oneof![
            "[a-z][a-z0-9-]{0,14}".prop_map(Selector::Iif),
            (any::<u32>(), 1u32..).prop_map(|(value, mask)| Selector::Mark { value, mask }),
        ],
    ) {
        let rule = Rule { preference, selector, table };
        let RouteNetlinkMessage::NewRule(message) = again(RouteNetlinkMessage::NewRule(rule.message(PROTOCOL))) else {
            panic!("no rule");
        };
        prop_assert_eq!(Rule::read(&message, PROTOCOL), Some(rule));
    }

    #[test]
    fn no_bytes_stop_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = RouteMessage::parse(&bytes[..]).map(|message| Route::read(&message, PROTOCOL));
        let _ = RuleMessage::parse(&bytes[..]).map(|message| Rule::read(&message, PROTOCOL));
        let _ = LinkMessage::parse(&bytes[..]).map(|message| Link::read(&message));
    }
}
