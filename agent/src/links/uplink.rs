//! Selects the uplink and the roles of the other devices. Pure.

use super::dump::Device;
use super::{Facts, LinksError};
use std::net::Ipv4Addr;

pub(super) fn facts(
    devices: &[Device],
    address: Option<Ipv4Addr>,
    named: &[String],
    bridge_name: &str,
) -> Result<Facts, LinksError> {
    let hosts = Hosts {
        devices,
        bridge_name,
    };
    let uplink = if named.is_empty() {
        hosts.lower_device(address)?
    } else {
        let first = hosts.named(named)?;
        let carries = |device: &&&Device| address.is_some_and(|a| device.addresses.contains(&a));
        first
            .iter()
            .find(carries)
            .or(first.first())
            .copied()
            .ok_or(LinksError::AddressUnknown {
                have: hosts.candidates(),
            })?
    };
    let others: Vec<&Device> = if named.is_empty() {
        devices.iter().filter(|d| hosts.leads_out(d)).collect()
    } else {
        hosts.named(named)?
    };
    let others: Vec<&Device> = others
        .into_iter()
        .filter(|d| d.link != uplink.link)
        .collect();
    let bridge = devices.iter().find(|d| d.link.name == bridge_name);
    let bridges: Vec<&Device> = devices
        .iter()
        .filter(|d| {
            d.bridge && d.link.name != bridge_name && d.link != uplink.link && !others.contains(d)
        })
        .collect();
    let is_port = |d: &&Device| {
        let mut of = bridge.iter().chain(&bridges);
        d.is_virtual_port && of.any(|bridge| bridge.link.index == d.controller)
    };
    // A guest on the uplink's bridge is a client as any other.
    let is_uplinks_port = |d: &&Device| {
        let mut of = std::iter::once(uplink).chain(others.iter().copied());
        of.any(|uplink| uplink.bridge && uplink.link.index == d.controller)
    };
    // Named devices limit what is answered; else any address of the host will do.
    let answering: Vec<&Device> = if named.is_empty() {
        devices.iter().collect()
    } else {
        std::iter::once(uplink)
            .chain(others.iter().copied())
            .collect()
    };
    Ok(Facts {
        bridge_ports: devices
            .iter()
            .filter(is_port)
            .map(|d| (d.link.index, d.far))
            .collect(),
        port_bridges: devices
            .iter()
            .filter(|d| is_port(d) || is_uplinks_port(d))
            .map(|d| (d.link.index, d.controller))
            .collect(),
        bridges: bridges.iter().map(|d| d.link.clone()).collect(),
        uplink: uplink.link.clone(),
        own: uplink.addresses.clone(),
        extra_uplinks: others.iter().map(|d| d.link.clone()).collect(),
        bridge: bridge.map(|device| device.link.clone()),
        gateway: bridge.and_then(|device| device.addresses.first().copied()),
        uplink_networks: std::iter::once(&uplink)
            .chain(&others)
            .flat_map(|device| device.networks.iter().copied())
            .collect(),
        mtus: devices.iter().map(|d| (d.link.index, d.link.mtu)).collect(),
        addresses: answering
            .iter()
            .flat_map(|device| device.addresses.iter().copied())
            .filter(|address| !address.is_loopback())
            .collect(),
    })
}

/// The devices of a host, with their roles.
struct Hosts<'a> {
    devices: &'a [Device],
    bridge_name: &'a str,
}

impl<'a> Hosts<'a> {
    /// Can only this host and its tasks be reached by it?
    fn inside(&self, device: &Device) -> bool {
        device.loopback || device.link.name == self.bridge_name
    }

    /// Can clients' packets arrive on it? True for a network card or VLAN with an address of its own, false for a
    /// bridge: the ports of Docker's bridges, and of those of virtual machines, are guests.
    fn leads_out(&self, device: &Device) -> bool {
        !self.inside(device)
            && device.controller == 0
            && !device.bridge
            && device.link.mac != [0; 6]
            && !device.addresses.is_empty()
    }

    /// Names of possible uplinks, for error messages.
    fn candidates(&self) -> Vec<String> {
        self.devices
            .iter()
            .filter(|d| !self.inside(d) && d.controller == 0 && d.link.name != "docker0")
            .map(|d| d.link.name.clone())
            .collect()
    }

    /// The devices with these names, in their order.
    fn named(&self, names: &[String]) -> Result<Vec<&'a Device>, LinksError> {
        let device = |name: &String| {
            let mut devices = self.devices.iter();
            devices
                .find(|device| device.link.name == *name)
                .ok_or_else(|| LinksError::NoSuchDevice {
                    name: name.clone(),
                    have: self.candidates(),
                })
        };
        names.iter().map(device).collect()
    }

    /// The device that carries the node's address.
    fn lower_device(&self, address: Option<Ipv4Addr>) -> Result<&'a Device, LinksError> {
        let have = || self.candidates();
        let Some(address) = address else {
            return Err(LinksError::AddressUnknown { have: have() });
        };
        let lower_devices = self
            .devices
            .iter()
            .filter(|d| d.addresses.contains(&address));
        // Two devices with one address: the one that works, or has been there longer.
        let uplink = lower_devices
            .min_by_key(|d| (self.inside(d), !d.up, d.link.index))
            .ok_or_else(|| LinksError::AddressNowhere {
                address,
                have: have(),
            })?;
        if self.inside(uplink) {
            return Err(LinksError::AddressInside {
                address,
                name: uplink.link.name.clone(),
            });
        }
        Ok(uplink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipnet::Ipv4Net;
    use lb_core::model::node::Link;
    use std::collections::BTreeSet;

    fn device(index: u32, name: &str, addresses: &[[u8; 4]]) -> Device {
        Device {
            link: Link {
                name: name.into(),
                index,
                mtu: 1500,
                mac: if name == "lo" { [0; 6] } else { [2; 6] },
                xdp: true,
            },
            loopback: name == "lo",
            up: true,
            controller: if name.starts_with("veth") { 5 } else { 0 },
            is_virtual_port: name.starts_with("veth"),
            far: None,
            bridge: name.starts_with("docker"),
            addresses: addresses.iter().map(|a| Ipv4Addr::from(*a)).collect(),
            networks: addresses
                .iter()
                .map(|a| Ipv4Net::new((*a).into(), 24).unwrap().trunc())
                .collect(),
        }
    }

    fn host() -> Vec<Device> {
        vec![
            device(1, "lo", &[[127, 0, 0, 1], [203, 0, 113, 80]]),
            device(2, "eth0", &[[192, 0, 2, 5], [192, 0, 2, 6]]),
            device(3, "wlan0", &[]),
            device(4, "docker0", &[[172, 17, 0, 1]]),
            device(5, "docker_gwbridge", &[[172, 18, 0, 1]]),
            device(6, "veth1a2b3c", &[]),
            device(7, "eth1.20", &[[198, 51, 100, 9]]),
        ]
    }

    fn choice(address: Option<[u8; 4]>, named: &[&str]) -> Result<Facts, String> {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        facts(
            &host(),
            address.map(Ipv4Addr::from),
            &named,
            "docker_gwbridge",
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn the_device_with_the_nodes_address_is_the_uplink() {
        let facts = choice(Some([192, 0, 2, 6]), &[]).unwrap();
        assert_eq!(facts.uplink.name, "eth0");
        assert_eq!(facts.bridge.unwrap().index, 5);
        let own = [[192, 0, 2, 5], [192, 0, 2, 6]].map(Ipv4Addr::from);
        assert_eq!(facts.own, BTreeSet::from(own));
    }

    #[test]
    fn clients_come_in_on_every_card_with_an_address_and_all_of_them_are_answered() {
        let facts = choice(Some([192, 0, 2, 6]), &[]).unwrap();
        let others: Vec<_> = facts
            .extra_uplinks
            .iter()
            .map(|link| link.name.as_str())
            .collect();
        assert_eq!(others, ["eth1.20"]);
        let bridges: Vec<_> = facts
            .bridges
            .iter()
            .map(|link| link.name.as_str())
            .collect();
        assert_eq!(bridges, ["docker0"]);
        assert_eq!(
            facts.bridge_ports,
            [(6, None)].into(),
            "a container's cable"
        );
        assert_eq!(facts.port_bridges, [(6, 5)].into());
        let answered = [
            [192, 0, 2, 5],
            [192, 0, 2, 6],
            [198, 51, 100, 9],
            [203, 0, 113, 80],
            [172, 17, 0, 1],
            [172, 18, 0, 1],
        ];
        assert_eq!(
            facts.addresses,
            BTreeSet::from(answered.map(Ipv4Addr::from))
        );
    }

    #[test]
    fn named_devices_are_the_only_ones() {
        let facts = choice(Some([192, 0, 2, 5]), &["eth1.20", "eth0"]).unwrap();
        assert_eq!(facts.uplink.name, "eth0", "it has the node's address");
        assert_eq!(facts.extra_uplinks.first().unwrap().name, "eth1.20");
        let facts = choice(Some([192, 0, 2, 5]), &["eth1.20"]).unwrap();
        assert!(facts.extra_uplinks.is_empty());
        let answered = BTreeSet::from([Ipv4Addr::new(198, 51, 100, 9)]);
        assert_eq!(facts.addresses, answered);
    }

    #[test]
    fn the_uplinks_networks_and_the_own_address_on_the_bridge_are_known() {
        let facts = choice(Some([192, 0, 2, 5]), &[]).unwrap();
        let networks = ["192.0.2.0/24", "198.51.100.0/24"].map(|network| network.parse().unwrap());
        assert_eq!(facts.uplink_networks, networks.into());
        assert_eq!(facts.gateway, Some(Ipv4Addr::new(172, 18, 0, 1)));
    }

    #[test]
    fn a_named_device_wins_even_without_an_address() {
        let facts = choice(Some([192, 0, 2, 5]), &["wlan0"]).unwrap();
        assert_eq!(facts.uplink.name, "wlan0");
        assert!(facts.addresses.is_empty());
        assert_eq!(choice(None, &["eth0"]).unwrap().uplink.index, 2);
    }

    #[test]
    fn of_an_uplink_that_is_a_bridge_all_ports_are_known_and_none_is_a_containers() {
        let mut devices = host();
        devices[1] = Device {
            controller: 9,
            ..device(2, "eth0", &[])
        };
        devices.push(Device {
            bridge: true,
            ..device(9, "br0", &[[192, 0, 2, 5]])
        });
        devices.push(Device {
            is_virtual_port: true,
            controller: 9,
            ..device(10, "tap0", &[])
        });
        let address = Some(Ipv4Addr::new(192, 0, 2, 5));
        let facts = facts(&devices, address, &[], "docker_gwbridge").unwrap();
        assert_eq!(facts.uplink.name, "br0");
        assert_eq!(facts.port_bridges, [(2, 9), (6, 5), (10, 9)].into());
        assert_eq!(facts.bridge_ports, [(6, None)].into());
    }

    #[test]
    fn each_failure_has_its_sentence() {
        assert_eq!(
            choice(None, &["eth7"]).unwrap_err(),
            "no device is called eth7: this host has eth0, wlan0, eth1.20"
        );
        assert_eq!(
            choice(Some([10, 0, 0, 5]), &[]).unwrap_err(),
            "no usable uplink: no device carries this node's address 10.0.0.5; \
             name one with --uplink (this host has eth0, wlan0, eth1.20)"
        );
        assert_eq!(
            choice(Some([127, 0, 0, 1]), &[]).unwrap_err(),
            "no usable uplink: this node's address 127.0.0.1 is on lo, which leads to no other node; \
             join the Swarm with --advertise-addr, or name a device with --uplink"
        );
        assert_eq!(
            choice(None, &[]).unwrap_err(),
            "no usable uplink: the Swarm has no IPv4 address for this node; \
             name a device with --uplink (this host has eth0, wlan0, eth1.20)"
        );
    }

    #[test]
    fn of_two_lower_devices_the_one_that_is_up_is_taken() {
        let mut devices = host();
        devices[1].up = false;
        devices.push(device(9, "macvlan0", &[[192, 0, 2, 5]]));
        let address = Some(Ipv4Addr::new(192, 0, 2, 5));
        let facts = facts(&devices, address, &[], "docker_gwbridge").unwrap();
        assert_eq!(facts.uplink.name, "macvlan0");
        assert!(facts.bridge.is_some());
    }
}
