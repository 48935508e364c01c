//! Reads, makes, changes and deletes devices.

use super::batch::{self, Step};
use super::{Error, Link, Operation, Routes, Setting, ipv4};
use crate::socket;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use nix::errno::Errno;

impl Routes {
    /// All devices, by index.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let question = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut links: Vec<Link> = self
            .list("devices", &question)?
            .iter()
            .filter_map(read)
            .collect();
        links.sort_unstable();
        Ok(links)
    }

    /// The device of that name, if there is one.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, Error> {
        let mut question = LinkMessage::default();
        question.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        match self
            .socket
            .request(RouteNetlinkMessage::GetLink(question), 0)
        {
            Ok(told) => Ok(told.iter().find_map(read)),
            Err(socket::Error::Refused(Errno::ENODEV)) => Ok(None),
            Err(source) => Err(failed(name, Operation::Read, source)),
        }
    }

    /// Makes a VXLAN-GPE tunnel in external mode on all addresses of the host, with the owner's ifalias, and brings it
    /// up. `port` is its UDP port, `mtu` in bytes.
    ///
    /// # Errors
    /// `EEXIST` if there is a device of that name, `EADDRINUSE` if the port is taken.
    pub fn add_vxlan(&mut self, name: &str, port: u16, mtu: u32) -> Result<(), Error> {
        self.add(
            name,
            vec![
                vxlan(name, port, mtu),
                set_ifalias(name, self.owner.ifalias, LinkFlags::empty()),
            ],
        )
    }

    /// Makes a pair of devices that need no ARP: both ends have the MAC address `mac`, `mtu` in bytes, and the
    /// owner's ifalias. Brings both up.
    ///
    /// # Errors
    /// `EEXIST` if there is a device of either name.
    pub fn add_veth(
        &mut self,
        name: &str,
        peer: &str,
        mac: [u8; 6],
        mtu: u32,
    ) -> Result<(), Error> {
        if self.link(peer)?.is_some() {
            return Err(taken(peer));
        }
        // The end that is made first can't be up before it has the other.
        let ifalias = self.owner.ifalias;
        let up = [name, peer].map(|end| set_ifalias(end, ifalias, LinkFlags::Up));
        let steps = [veth(name, peer, mac, mtu)].into_iter().chain(up);
        self.add(name, steps.collect())
    }

    /// Sets the longest packet, in bytes.
    ///
    /// # Errors
    /// When there is no such device, or it can't have that.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<(), Error> {
        self.change(index, LinkFlags::empty(), vec![LinkAttribute::Mtu(mtu)])
    }

    /// Brings a device up.
    ///
    /// # Errors
    /// When there is no such device, or it can't be up.
    pub fn set_up(&mut self, index: u32) -> Result<(), Error> {
        self.change(index, LinkFlags::Up, Vec::new())
    }

    /// Sets one of a device's IPv4 settings.
    ///
    /// # Errors
    /// When there is no such device, or it has no IPv4.
    pub fn set_ipv4(&mut self, index: u32, setting: Setting, value: u32) -> Result<(), Error> {
        let attributes = vec![ipv4::attribute(setting, value)];
        self.change(index, LinkFlags::empty(), attributes)
    }

    /// Deletes a device, of a pair both ends, and with it all of its routes.
    ///
    /// # Errors
    /// `ENODEV` when there is no such device.
    pub fn delete_link(&mut self, index: u32) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.tell(RouteNetlinkMessage::DelLink(message), 0)
            .map_err(|source| failed(&format!("if{index}"), Operation::Deleted, source))
    }

    /// The kernel takes the ifalias only of a device that is there. Both messages go in one send, so that there
    /// is never a device of the owner's without it, even if this process ends between them. As the second would give a
    /// stranger's device the owner's ifalias, that there is none is seen first.
    fn add(&mut self, name: &str, steps: Vec<Step>) -> Result<(), Error> {
        if self.link(name)?.is_some() {
            return Err(taken(name));
        }
        let refused = batch::all(&mut self.socket, steps);
        match refused.map(|refused| refused.first().copied()) {
            Ok(None) => Ok(()),
            Ok(Some((_, errno))) => Err(failed(
                name,
                Operation::Added,
                socket::Error::Refused(errno),
            )),
            Err(source) => Err(failed(name, Operation::Added, source)),
        }
    }

    fn change(
        &mut self,
        index: u32,
        flags: LinkFlags,
        attributes: Vec<LinkAttribute>,
    ) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = flags;
        message.header.change_mask = flags;
        message.attributes = attributes;
        self.tell(RouteNetlinkMessage::SetLink(message), 0)
            .map_err(|source| failed(&format!("if{index}"), Operation::Changed, source))
    }

    pub(super) fn tell(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), socket::Error> {
        self.socket.request(message, flags).map(drop)
    }
}

fn read(message: &RouteNetlinkMessage) -> Option<Link> {
    match message {
        RouteNetlinkMessage::NewLink(message) => Link::read(message),
        _ => None,
    }
}

pub(super) fn vxlan(name: &str, port: u16, mtu: u32) -> Step {
    let data = vec![
        InfoVxlan::CollectMetadata(true),
        InfoVxlan::Gpe,
        // Without Ethernet headers there is nothing to learn, and the kernel refuses to.
        InfoVxlan::Learning(false),
        InfoVxlan::Port(port),
    ];
    let mut message = end(name, mtu, None, LinkFlags::Up);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Vxlan),
        LinkInfo::Data(InfoData::Vxlan(data)),
    ]));
    new(message)
}

pub(super) fn veth(name: &str, peer: &str, mac: [u8; 6], mtu: u32) -> Step {
    let end = |name| end(name, mtu, Some(mac), LinkFlags::Noarp);
    let mut message = end(name);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end(peer)))),
    ]));
    new(message)
}

fn end(name: &str, mtu: u32, mac: Option<[u8; 6]>, flags: LinkFlags) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.flags = flags;
    message.header.change_mask = flags;
    message.attributes.push(LinkAttribute::Mtu(mtu));
    let mac = mac.map(|mac| LinkAttribute::Address(mac.to_vec()));
    message.attributes.extend(mac);
    let name = LinkAttribute::IfName(name.to_owned());
    message.attributes.push(name);
    message
}

fn new(message: LinkMessage) -> Step {
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    (RouteNetlinkMessage::NewLink(message), flags)
}

fn set_ifalias(name: &str, ifalias: &str, flags: LinkFlags) -> Step {
    let mut message = LinkMessage::default();
    message.header.flags = flags;
    message.header.change_mask = flags;
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::IfAlias(ifalias.to_owned()),
    ];
    (RouteNetlinkMessage::SetLink(message), 0)
}

fn taken(name: &str) -> Error {
    failed(
        name,
        Operation::Added,
        socket::Error::Refused(Errno::EEXIST),
    )
}

fn failed(device: &str, operation: Operation, source: socket::Error) -> Error {
    Error::Device {
        device: device.to_owned(),
        operation,
        source,
    }
}
