//! Links and IPv4 addresses of this network namespace, as plain values.

use super::LinksError;
use futures_util::TryStreamExt;
use ipnet::Ipv4Net;
use lb_core::model::node::Link;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The kernel answers in milliseconds; the agent must not hang on a lost answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The other end of a veth device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarEnd {
    /// The number of its network namespace in this one.
    pub namespace: i32,
    /// The device's index there.
    pub index: u32,
}

/// A device with what matters for choosing the uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) link: Link,
    pub(super) loopback: bool,
    pub(super) up: bool,
    /// Index of the bridge or bond that it is a port of, which has the addresses in its stead;
    /// 0 where it is none.
    pub(super) controller: u32,
    /// A veth or tap device, whose other end belongs to a container or a virtual machine.
    pub(super) is_virtual_port: bool,
    /// Its other end, if that is in another network namespace.
    pub(super) far: Option<FarEnd>,
    pub(super) bridge: bool,
    pub(super) addresses: BTreeSet<Ipv4Addr>,
    /// The networks of these addresses.
    pub(super) networks: BTreeSet<Ipv4Net>,
}

/// All devices, by index.
pub(super) async fn devices() -> Result<Vec<Device>, LinksError> {
    let (connection, handle, _messages) =
        rtnetlink::new_connection().map_err(LinksError::Socket)?;
    // Ends by itself when the handle is gone.
    tokio::spawn(connection);
    tokio::time::timeout(PATIENCE, dump(handle))
        .await
        .map_err(|_elapsed| LinksError::Silent)?
}

async fn dump(handle: rtnetlink::Handle) -> Result<Vec<Device>, LinksError> {
    let failed = |what| {
        move |source| LinksError::Dump {
            what,
            source: Box::new(source),
        }
    };
    let links: Vec<LinkMessage> = handle
        .link()
        .get()
        .execute()
        .try_collect()
        .await
        .map_err(failed("links"))?;
    let mut devices: Vec<Device> = links.iter().filter_map(device).collect();
    devices.sort_by_key(|device| device.link.index);

    let mut addresses = handle.address().get();
    addresses.message_mut().header.family = AddressFamily::Inet;
    let addresses: Vec<AddressMessage> = addresses
        .execute()
        .try_collect()
        .await
        .map_err(failed("addresses"))?;
    for message in &addresses {
        let device = devices
            .iter_mut()
            .find(|device| device.link.index == message.header.index);
        // A device that came between the two dumps: its news is on the way.
        if let (Some(device), Some(address)) = (device, own(message)) {
            device.addresses.insert(address);
            device.networks.extend(network(message));
        }
    }
    Ok(devices)
}

fn device(message: &LinkMessage) -> Option<Device> {
    let (mut name, mut mtu, mut mac) = (None, None, [0; 6]);
    let (mut controller, mut bridge, mut is_virtual_port, mut xdp) = (0, false, false, true);
    let (mut namespace, mut index) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.clone()),
            LinkAttribute::Mtu(bytes) => mtu = Some(*bytes),
            // Devices without Ethernet have none, or one of another length.
            LinkAttribute::Address(bytes) => mac = bytes.as_slice().try_into().unwrap_or_default(),
            LinkAttribute::Controller(index) => controller = *index,
            LinkAttribute::LinkNetNsId(number) => namespace = Some(*number),
            LinkAttribute::Link(other) => index = Some(*other),
            LinkAttribute::LinkInfo(infos) => {
                let is = |kind| infos.contains(&LinkInfo::Kind(kind));
                bridge = is(InfoKind::Bridge);
                is_virtual_port = is(InfoKind::Veth) || is(InfoKind::Tun);
                xdp = infos.iter().all(runs_xdp);
            }
            _ => {}
        }
    }
    Some(Device {
        link: Link {
            name: name?,
            index: message.header.index,
            mtu: mtu?,
            mac,
            xdp,
        },
        loopback: message.header.flags.contains(LinkFlags::Loopback),
        up: message.header.flags.contains(LinkFlags::Up),
        controller,
        is_virtual_port,
        far: namespace
            .zip(index)
            .map(|(namespace, index)| FarEnd { namespace, index }),
        bridge,
        addresses: BTreeSet::new(),
        networks: BTreeSet::new(),
    })
}

/// Could a device of this kind run XDP natively? Cards have no kind; those that stand on
/// other devices, or on none, have no receive queue to run it on.
fn runs_xdp(info: &LinkInfo) -> bool {
    match info {
        LinkInfo::Kind(kind) => matches!(kind, InfoKind::Veth | InfoKind::Bond | InfoKind::Tun),
        _ => true,
    }
}

/// This end's address: on point-to-point links `Address` is the other end's.
pub(super) fn own(message: &AddressMessage) -> Option<Ipv4Addr> {
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => return Some(*address),
            AddressAttribute::Address(IpAddr::V4(address)) => found = Some(*address),
            _ => {}
        }
    }
    found
}

/// The network that is reached by the device: on point-to-point links that of the other end.
pub(super) fn network(message: &AddressMessage) -> Option<Ipv4Net> {
    let mut found = own(message)?;
    for attribute in &message.attributes {
        if let AddressAttribute::Address(IpAddr::V4(address)) = attribute {
            found = *address;
        }
    }
    let network = Ipv4Net::new(found, message.header.prefix_len).ok()?;
    Some(network.trunc())
}
