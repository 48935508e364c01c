//! A rule of routing as a value: which packets are routed by which table.

use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use std::fmt;

/// A rule for IPv4: packets that match are routed by a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Rules with lower preferences are asked first.
    pub preference: u32,
    /// Packets that the rule matches.
    pub selector: Selector,
    /// Table by which they are routed.
    pub table: u32,
}

/// Packets that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// Packets received on the device of this name, whether or not it exists.
    Iif(String),
    /// Packets whose mark equals `value` in the bits of `mask`.
    Mark {
        /// The mark.
        value: u32,
        /// The bits that count, not 0.
        mask: u32,
    },
}

impl Rule {
    pub(super) fn message(&self, protocol: u8) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.action = RuleAction::ToTable;
        // Tables above 255 are named by the attribute alone.
        message.header.table = u8::try_from(self.table).unwrap_or_default();
        message
            .attributes
            .push(RuleAttribute::Priority(self.preference));
        match &self.selector {
            Selector::Iif(name) => {
                let name = RuleAttribute::Iifname(name.clone());
                message.attributes.push(name);
            }
            Selector::Mark { value, mask } => message
                .attributes
                .extend([RuleAttribute::FwMark(*value), RuleAttribute::FwMask(*mask)]),
        }
        message.attributes.extend([
            RuleAttribute::Table(self.table),
            RuleAttribute::Protocol(RouteProtocol::from(protocol)),
        ]);
        message
    }

    /// Parses a message; `None` unless [`Rule`] can express the rule and it has this protocol number.
    pub(super) fn read(message: &RuleMessage, protocol: u8) -> Option<Self> {
        let header = &message.header;
        if header.action != RuleAction::ToTable
            || header.flags.contains(RuleFlags::Invert)
            || (header.src_len, header.dst_len, header.tos) != (0, 0, 0)
        {
            return None;
        }
        let (mut preference, mut table, mut ours) = (0, u32::from(header.table), false);
        let (mut iif, mut value, mut mask) = (None, 0, 0);
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(number) => preference = *number,
                RuleAttribute::Table(number) => table = *number,
                RuleAttribute::Protocol(theirs) => {
                    ours = *theirs == RouteProtocol::from(protocol);
                }
                RuleAttribute::Iifname(name) => iif = Some(name.clone()),
                RuleAttribute::FwMark(mark) => value = *mark,
                RuleAttribute::FwMask(bits) => mask = *bits,
                RuleAttribute::Oifname(_)
                | RuleAttribute::IpProtocol(_)
                | RuleAttribute::SourcePortRange(_)
                | RuleAttribute::DestinationPortRange(_)
                | RuleAttribute::UidRange(_)
                | RuleAttribute::L3MDev(true) => return None,
                _ => {}
            }
        }
        let selector = match (iif, mask) {
            (Some(name), 0) => Selector::Iif(name),
            (None, 1..) => Selector::Mark { value, mask },
            _ => return None,
        };
        ours.then_some(Self {
            preference,
            selector,
            table,
        })
    }
}

impl fmt::Display for Rule {
    /// As `ip rule` shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            preference,
            selector,
            table,
        } = self;
        write!(f, "{preference}: from all {selector} lookup {table}")
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iif(name) => write!(f, "iif {name}"),
            Self::Mark { value: 0, mask } => write!(f, "fwmark 0/{mask:#x}"),
            Self::Mark {
                value,
                mask: u32::MAX,
            } => write!(f, "fwmark {value:#x}"),
            Self::Mark { value, mask } => write!(f, "fwmark {value:#x}/{mask:#x}"),
        }
    }
}
