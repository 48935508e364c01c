//! Settings of `/proc/sys/net/ipv4/conf/DEVICE`, by netlink: `IFLA_AF_SPEC`, `AF_INET`, `IFLA_INET_CONF`. A process
//! in a container can write it this way, whose `/proc/sys` is read-only.

use netlink_packet_core::{DefaultNla, Emitable as _, NLA_F_NESTED};
use netlink_packet_route::link::{AfSpecInet, AfSpecUnspec, InetDevConf, LinkAttribute};
use std::collections::BTreeMap;
use std::fmt;

/// `IFLA_INET_CONF` of `linux/if_link.h`.
const IFLA_INET_CONF: u16 = 1;

/// A setting of one device. The number is its place in `IPV4_DEVCONF_…` of `linux/ip.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Setting {
    /// 1: what comes in here and is for others goes on.
    Forwarding = 1,
    /// 1: no packet whose sender is elsewhere; 2: none whose sender is nowhere. The kernel takes the
    /// greater of this and that of `all`.
    RpFilter = 8,
    /// 1: own addresses may be the source of what comes in.
    AcceptLocal = 23,
    /// 1: the check of the source looks at the packet's mark, too.
    SrcValidMark = 24,
    /// 1: 127.0.0.0/8 is an address like others.
    RouteLocalnet = 26,
}

impl Setting {
    /// All settings.
    pub const ALL: [Self; 5] = [
        Self::Forwarding,
        Self::RpFilter,
        Self::AcceptLocal,
        Self::SrcValidMark,
        Self::RouteLocalnet,
    ];

    fn of(self, conf: &InetDevConf) -> u32 {
        let value = match self {
            Self::Forwarding => conf.forwarding,
            Self::RpFilter => conf.rp_filter,
            Self::AcceptLocal => conf.accept_local,
            Self::SrcValidMark => conf.src_vmark,
            Self::RouteLocalnet => conf.route_localnet,
        };
        value.cast_unsigned()
    }
}

impl fmt::Display for Setting {
    /// Its name under `/proc/sys/net/ipv4/conf/DEVICE`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forwarding => "forwarding",
            Self::RpFilter => "rp_filter",
            Self::AcceptLocal => "accept_local",
            Self::SrcValidMark => "src_valid_mark",
            Self::RouteLocalnet => "route_localnet",
        })
    }
}

/// The attribute that gives a setting its value. Not `DevConfRequest` of the library, which leaves out what
/// is to be 0.
pub(super) fn attribute(setting: Setting, value: u32) -> LinkAttribute {
    let one = DefaultNla::new(setting as u16, value.to_ne_bytes().to_vec());
    let mut bytes = vec![0; one.buffer_len()];
    one.emit(&mut bytes);
    let conf = DefaultNla::new(IFLA_INET_CONF | NLA_F_NESTED, bytes);
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet(vec![AfSpecInet::Other(conf)])])
}

/// What the kernel tells with a device. A device without IPv4 has no settings.
pub(super) fn read(families: &[AfSpecUnspec]) -> BTreeMap<Setting, u32> {
    families
        .iter()
        .filter_map(|family| match family {
            AfSpecUnspec::Inet(attributes) => Some(attributes),
            _ => None,
        })
        .flatten()
        .filter_map(|attribute| match attribute {
            AfSpecInet::DevConf(conf) => Some(conf),
            _ => None,
        })
        .flat_map(|conf| Setting::ALL.map(|setting| (setting, setting.of(conf))))
        .collect()
}
