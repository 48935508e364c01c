//! Desired states for the property tests of all back ends.

use crate::desired::{Backend, Desired, Frontend, Host, Locality, PeerKeys, Service};
use crate::model::ids::Key;
use crate::model::port::Proto;
use crate::model::token::{TokenKey, TokenKeys};
use crate::testing;
use proptest::collection::btree_map;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Keys of an epoch and the next one.
fn keys(epoch: u32) -> TokenKeys {
    let key = |epoch: u32| TokenKey::new([epoch.try_into().unwrap(); 16]);
    TokenKeys {
        epoch,
        current: key(epoch),
        next: key(epoch + 1),
    }
}

/// What services ask for: ports with tasks here and elsewhere, some of which take no new flows.
pub(crate) fn desired() -> impl Strategy<Value = Desired> {
    let backends = btree_map(
        1u64..40,
        (1u32..9, any::<bool>(), 1u64..4, any::<bool>()),
        0..12,
    );
    let ports = btree_map(1u16..9, (1u16..5, 1u64..4, any::<bool>()), 0..5);
    let peers = btree_map(1u32..6, 0u8..4, 0..4);
    (backends, ports, peers, (0u32..3, 0u32..4)).prop_map(
        |(backends, ports, peers, (bridge, epoch))| {
            let bridge = (bridge != 0).then(|| testing::link("docker_gwbridge", bridge));
            let host = Host {
                bridge,
                addresses: [1u32, 2].map(Into::into).into(),
                token_keys: Some(keys(epoch)),
                peers: peers
                    .into_iter()
                    .map(|(peer, epoch)| {
                        let keys = match epoch {
                            0 => PeerKeys::Absent,
                            epoch => PeerKeys::Known(keys(epoch.into())),
                        };
                        (peer.into(), keys)
                    })
                    .collect(),
                ..testing::host(Ipv4Addr::new(10, 0, 0, 1))
            };
            let mut services: BTreeMap<u64, Service> = BTreeMap::new();
            for (key, (address, local, service, active)) in &backends {
                let backend = Backend {
                    address: (*address).into(),
                    locality: if *local {
                        Locality::Local { bridge: None }
                    } else {
                        Locality::Remote
                    },
                    active: *active,
                };
                let service = services.entry(*service).or_default();
                service.backends.insert(Key(key << 41 | key), backend);
            }
            for (published, (target, service, barred)) in ports {
                let service = services.entry(service).or_default();
                service.frontends.push(Frontend {
                    published,
                    proto: Proto::Tcp,
                    target,
                    barred,
                });
            }
            for (key, service) in &mut services {
                service.task_address = *key == 2;
                service.routed = *key != 1;
            }
            let services = services.into_iter();
            Desired {
                host: Some(host.into()),
                services: services
                    .map(|(key, service)| (Key(key), service.into()))
                    .collect(),
                ..Desired::default()
            }
        },
    )
}
