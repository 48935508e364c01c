//! Which device is the uplink: a pure choice.

use super::dump::Device;
use super::{Facts, LinksError};
use std::net::Ipv4Addr;

pub(super) fn facts(
    devices: &[Device],
    address: Option<Ipv4Addr>,
    named: Option<&str>,
    bridge_name: &str,
) -> Result<Facts, LinksError> {
    let inside = |device: &Device| device.loopback || device.link.name == bridge_name;
    let candidates = || -> Vec<String> {
        devices
            .iter()
            .filter(|device| !inside(device) && !device.enslaved && device.link.name != "docker0")
            .map(|device| device.link.name.clone())
            .collect()
    };
    let uplink = match (named, address) {
        (Some(name), _) => devices
            .iter()
            .find(|device| device.link.name == name)
            .ok_or_else(|| LinksError::NoSuchDevice {
                name: name.to_owned(),
                have: candidates(),
            })?,
        (None, None) => return Err(LinksError::AddressUnknown { have: candidates() }),
        (None, Some(address)) => {
            let carriers = devices.iter().filter(|d| d.addresses.contains(&address));
            // Two devices with one address: the one that works, or has been there longer.
            let uplink = carriers
                .min_by_key(|d| (inside(d), !d.up, d.link.index))
                .ok_or_else(|| LinksError::AddressNowhere {
                    address,
                    have: candidates(),
                })?;
            if inside(uplink) {
                return Err(LinksError::AddressInside {
                    address,
                    name: uplink.link.name.clone(),
                });
            }
            uplink
        }
    };
    let bridge = devices.iter().find(|d| d.link.name == bridge_name);
    let others = devices
        .iter()
        .filter(|d| d.bridge && d.link.name != bridge_name && d.link != uplink.link);
    Ok(Facts {
        bridges: others.map(|d| d.link.clone()).collect(),
        uplink: uplink.link.clone(),
        bridge: bridge.map(|device| device.link.clone()),
        addresses: uplink.addresses.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_core::node::Link;
    use std::collections::BTreeSet;

    fn device(index: u32, name: &str, addresses: &[[u8; 4]]) -> Device {
        Device {
            link: Link {
                name: name.into(),
                index,
                mtu: 1500,
                mac: [2; 6],
            },
            loopback: name == "lo",
            up: true,
            enslaved: name.starts_with("veth"),
            bridge: name.starts_with("docker"),
            addresses: addresses.iter().map(|a| Ipv4Addr::from(*a)).collect(),
        }
    }

    fn host() -> Vec<Device> {
        vec![
            device(1, "lo", &[[127, 0, 0, 1]]),
            device(2, "eth0", &[[192, 0, 2, 5], [192, 0, 2, 6]]),
            device(3, "wlan0", &[]),
            device(4, "docker0", &[[172, 17, 0, 1]]),
            device(5, "docker_gwbridge", &[[172, 18, 0, 1]]),
            device(6, "veth1a2b3c", &[]),
        ]
    }

    fn choice(address: Option<[u8; 4]>, named: Option<&str>) -> Result<Facts, String> {
        facts(
            &host(),
            address.map(Ipv4Addr::from),
            named,
            "docker_gwbridge",
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn the_device_with_the_nodes_address_is_the_uplink() {
        let facts = choice(Some([192, 0, 2, 6]), None).unwrap();
        assert_eq!(facts.uplink.name, "eth0");
        assert_eq!(facts.bridge.unwrap().index, 5);
        let answered = [[192, 0, 2, 5], [192, 0, 2, 6]].map(Ipv4Addr::from);
        assert_eq!(facts.addresses, BTreeSet::from(answered));
    }

    #[test]
    fn a_named_device_wins_even_without_an_address() {
        let facts = choice(Some([192, 0, 2, 5]), Some("wlan0")).unwrap();
        assert_eq!(facts.uplink.name, "wlan0");
        assert!(facts.addresses.is_empty());
        assert_eq!(choice(None, Some("eth0")).unwrap().uplink.index, 2);
    }

    #[test]
    fn each_failure_has_its_sentence() {
        assert_eq!(
            choice(None, Some("eth7")).unwrap_err(),
            "no device is called eth7: this host has eth0, wlan0"
        );
        assert_eq!(
            choice(Some([10, 0, 0, 5]), None).unwrap_err(),
            "no usable uplink: no device carries this node's address 10.0.0.5; \
             name one with --uplink (this host has eth0, wlan0)"
        );
        assert_eq!(
            choice(Some([127, 0, 0, 1]), None).unwrap_err(),
            "no usable uplink: this node's address 127.0.0.1 is on lo, which leads to no other node; \
             join the Swarm with --advertise-addr, or name a device with --uplink"
        );
        assert_eq!(
            choice(None, None).unwrap_err(),
            "no usable uplink: the Swarm has no IPv4 address for this node; \
             name a device with --uplink (this host has eth0, wlan0)"
        );
    }

    #[test]
    fn of_two_carriers_the_one_that_is_up_is_taken() {
        let mut devices = host();
        devices[1].up = false;
        devices.push(device(9, "macvlan0", &[[192, 0, 2, 5]]));
        let address = Some(Ipv4Addr::new(192, 0, 2, 5));
        let facts = facts(&devices, address, None, "docker_gwbridge").unwrap();
        assert_eq!(facts.uplink.name, "macvlan0");
        assert!(facts.bridge.is_some());
    }
}
