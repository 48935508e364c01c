//! What holds for any servers, and any bytes.

use crate::ipvs::connections::Connection;
use crate::ipvs::{
    Dest, Family, Flags, Method, Name, Netmask, Protocol, Service, ServiceId, Tunnel, TunnelKind,
};
use proptest::option;
use proptest::prelude::*;
use std::net::IpAddr;

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn id() -> impl Strategy<Value = ServiceId> {
    let address = (any::<IpAddr>(), any::<u16>(), any::<u16>());
    prop_oneof![
        address.prop_map(|(address, protocol, port)| ServiceId::Address {
            address,
            protocol: Protocol(protocol),
            port,
        }),
        (any::<u32>(), family()).prop_map(|(mark, family)| ServiceId::Mark { mark, family }),
    ]
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9_-]{1,15}".prop_map(|text| Name::new(&text).unwrap())
}

fn netmask(family: Family) -> BoxedStrategy<Netmask> {
    match family {
        Family::V4 => any::<[u8; 4]>()
            .prop_map(|mask| Netmask::V4(mask.into()))
            .boxed(),
        Family::V6 => (1..=128_u8).prop_map(Netmask::V6).boxed(),
    }
}

fn service() -> impl Strategy<Value = Service> {
    let rest = (name(), any::<u32>(), any::<u32>(), option::of(name()));
    let named = id().prop_flat_map(|id| (Just(id), netmask(id.family())));
    (named, rest).prop_map(
        |((id, netmask), (scheduler, flags, timeout, engine))| Service {
            id,
            scheduler,
            flags: Flags::from_bits(flags),
            timeout,
            netmask,
            engine,
        },
    )
}

fn method() -> impl Strategy<Value = Method> {
    let tunnel = (any::<u8>(), any::<u16>(), any::<u16>());
    prop_oneof![
        Just(Method::Masq),
        Just(Method::Local),
        Just(Method::Route),
        Just(Method::Bypass),
        (5..8_u32).prop_map(Method::Other),
        tunnel.prop_map(|(kind, port, flags)| Method::Tunnel(Tunnel {
            kind: TunnelKind(kind),
            port,
            flags,
        })),
    ]
}

prop_compose! {
    fn dest()(
        address: IpAddr,
        port: u16,
        method in method(),
        weight: u32,
        upper: u32,
        lower: u32,
    ) -> Dest {
        Dest { address, port, method, weight, upper, lower }
    }
}

proptest! {
    #[test]
    fn a_virtual_service_is_read_as_it_was_written(service in service()) {
        let told = Service::parse(service.attribute().value()).unwrap();
        prop_assert_eq!(told.map(|(service, _)| service), Some(service));
    }

    #[test]
    fn a_destination_is_read_as_it_was_written(dest in dest(), family in family()) {
        let told = Dest::parse(family, dest.attribute().value()).unwrap();
        prop_assert_eq!(told.map(|(dest, _)| dest), Some(dest));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, family in family()) {
        let _ = Service::parse(&bytes);
        let _ = Dest::parse(family, &bytes);
    }

    #[test]
    fn any_line_is_a_connection_or_none(line: String) {
        let _ = Connection::parse(&line);
    }
}
