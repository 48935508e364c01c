//! What the kernel may tell one day, or told once: nothing of it hides a server.

use super::{FAMILY, asked, listing, message};
use crate::ipvs::message::{Attribute, Command, DEST, Message, SERVICE, each};
use crate::ipvs::{Dest, Family, Flags, Method, Name, Protocol, Service, ServiceId, Stats};
use netlink_packet_core::{NLA_TYPE_MASK, Nla as _};

/// The attributes of a captured value, to change some of them.
fn attributes(bytes: &[u8]) -> Vec<Attribute> {
    each(bytes)
        .unwrap()
        .into_iter()
        .map(|(kind, value)| Attribute::new(kind, value.to_vec()))
        .collect()
}

fn bytes(attributes: &[Attribute]) -> Vec<u8> {
    Attribute::nest(SERVICE, attributes).value().to_vec()
}

/// The captured virtual service for 10.1.2.3:81, which saw traffic.
fn busy() -> Vec<Attribute> {
    let told = listing(&asked(Command::GetService, vec![]));
    attributes(told[2].payload.find(SERVICE).unwrap())
}

#[test]
fn the_counters_of_32_bits_do_where_there_are_no_others() {
    let mut short = busy();
    let (service, long) = Service::parse(&bytes(&short)).unwrap().unwrap();
    assert_eq!((long.packets_in, long.bytes_in), (25, 132_897));
    short.retain(|one| one.kind() & NLA_TYPE_MASK != 12);
    assert_eq!(
        Service::parse(&bytes(&short)).unwrap(),
        Some((service.clone(), long))
    );
    short.retain(|one| one.kind() & NLA_TYPE_MASK != 10);
    assert_eq!(
        Service::parse(&bytes(&short)).unwrap(),
        Some((service, Stats::default()))
    );
}

#[test]
fn the_counters_of_64_bits_are_taken_whatever_the_others_say() {
    let mut wrapped = busy();
    let before = Service::parse(&bytes(&wrapped)).unwrap();
    let zeroes = [Attribute::u32(1, 0), Attribute::u32(2, 0)];
    for one in &mut wrapped {
        if one.kind() == 10 {
            *one = Attribute::nest(10, &zeroes);
        }
    }
    assert_eq!(Service::parse(&bytes(&wrapped)).unwrap(), before);
}

#[test]
fn unknown_attributes_are_passed_over() {
    let mut more = busy();
    let before = Service::parse(&bytes(&more)).unwrap();
    more.insert(0, Attribute::text(99, "monitor"));
    more.push(Attribute::new(100, vec![]));
    assert_eq!(Service::parse(&bytes(&more)).unwrap(), before);
}

#[test]
fn values_of_another_length_are_as_good_as_not_told() {
    let odd: Vec<_> = busy()
        .into_iter()
        .map(|one| match one.kind() {
            kind @ 6..=9 => Attribute::new(kind, vec![0xff]),
            _ => one,
        })
        .collect();
    let (service, _) = Service::parse(&bytes(&odd)).unwrap().unwrap();
    assert_eq!(service.scheduler.as_str(), "\u{fffd}");
    assert_eq!((service.flags, service.timeout), (Flags::default(), 0));
}

#[test]
fn servers_of_unknown_families_are_left_out() {
    let mut foreign = busy();
    foreign[0] = Attribute::u16(1, 77);
    assert_eq!(Service::parse(&bytes(&foreign)).unwrap(), None);

    let dest = Dest::new([10, 0, 0, 1].into(), 80, Method::Route, 1);
    let mut foreign = attributes(dest.attribute().value());
    foreign[0] = Attribute::u16(11, 77);
    assert_eq!(Dest::parse(Family::V4, &bytes(&foreign)).unwrap(), None);
}

#[test]
fn a_destination_without_a_family_is_of_that_of_its_virtual_one() {
    for (address, family) in [("10.0.0.1", Family::V4), ("2001:db8::1", Family::V6)] {
        let dest = Dest::new(address.parse().unwrap(), 80, Method::Masq, 1);
        let mut old = attributes(dest.attribute().value());
        old.remove(0);
        let (told, _) = Dest::parse(family, &bytes(&old)).unwrap().unwrap();
        assert_eq!(told, dest);
    }
}

#[test]
fn unknown_methods_and_flags_are_kept() {
    let dest = Dest::new([10, 0, 0, 1].into(), 80, Method::Other(7), 1);
    let (told, _) = Dest::parse(Family::V4, dest.attribute().value())
        .unwrap()
        .unwrap();
    assert_eq!(told, dest);
    assert_eq!(Flags::from_bits(0x8000_0003).bits(), 0x8000_0001);
}

#[test]
fn what_ends_in_the_middle_is_an_error() {
    let whole = Attribute::nest(DEST, &busy()).value().to_vec();
    assert!(Service::parse(&whole[..whole.len() - 5]).is_err());
    assert!(Dest::parse(Family::V4, &whole[..whole.len() - 5]).is_err());
}

#[test]
fn servers_are_written_as_ipvsadm_writes_them() {
    let at = |protocol, address: &str, port| ServiceId::Address {
        address: address.parse().unwrap(),
        protocol,
        port,
    };
    let mark = |family| ServiceId::Mark { mark: 6, family };
    for (id, text) in [
        (at(Protocol::TCP, "10.1.2.3", 80), "TCP  10.1.2.3:80"),
        (
            at(Protocol::UDP, "2001:db8::1", 53),
            "UDP  [2001:db8::1]:53",
        ),
        (at(Protocol::SCTP, "10.1.2.3", 85), "SCTP 10.1.2.3:85"),
        (at(Protocol(47), "10.1.2.3", 0), "47   10.1.2.3:0"),
        (mark(Family::V4), "FWM  6"),
        (mark(Family::V6), "FWM  6 IPv6"),
    ] {
        assert_eq!(id.to_string(), text);
    }
}

#[test]
fn names_that_the_kernel_could_not_take_are_none() {
    assert_eq!(Name::new("rr"), Some(Name::ROUND_ROBIN));
    assert_eq!(Name::new("123456789012345").unwrap().as_str().len(), 15);
    for bad in ["", "1234567890123456", "r\0r"] {
        assert_eq!(Name::new(bad), None, "{bad:?}");
    }
}

#[test]
fn a_family_is_found_among_whatever_else_is_told_of_it() {
    let answer = Message {
        command: 1,
        attributes: vec![
            Attribute::nest(200, &[Attribute::u8(1, 1)]),
            Attribute::u16(1, FAMILY),
        ],
    };
    assert_eq!(answer.family_id(), Some(FAMILY));
    let header = [20, 0, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0];
    assert_eq!(message(&header).payload.family_id(), None);
}
