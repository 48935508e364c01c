//! Our rules: which packets ask which table.

use super::{Error, Operation, Routes};
use crate::ids::PROTOCOL;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::fmt;

/// A rule of swarmlb's for IPv4: packets that match are routed by a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Rules with lower preferences are asked first.
    pub preference: u32,
    /// Which packets.
    pub selector: Selector,
    /// The table that they ask.
    pub table: u32,
}

/// Which packets a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// Those that came in by the device of this name, whether or not there is one.
    Iif(String),
    /// Those whose mark, of which only the bits of `mask` count, is `value`.
    Mark {
        /// The mark.
        value: u32,
        /// The bits that count, not 0.
        mask: u32,
    },
}

impl Rule {
    pub(super) fn message(&self) -> RuleMessage {
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
            RuleAttribute::Protocol(RouteProtocol::from(PROTOCOL)),
        ]);
        message
    }

    /// What a message tells, if it is a rule as ours are.
    pub(super) fn read(message: &RuleMessage) -> Option<Self> {
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
                RuleAttribute::Protocol(protocol) => {
                    ours = *protocol == RouteProtocol::from(PROTOCOL);
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

impl Routes {
    /// Our rules, by preference. Those that are not as [`Rule`] can say (we make none) are left out.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn rules(&mut self) -> Result<Vec<Rule>, Error> {
        let mut question = RuleMessage::default();
        question.header.family = AddressFamily::Inet;
        let told = self.list("rules", &RouteNetlinkMessage::GetRule(question))?;
        let mut rules: Vec<Rule> = told
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewRule(message) => Rule::read(message),
                _ => None,
            })
            .collect();
        rules.sort_unstable();
        Ok(rules)
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// `EEXIST` if there is the same one, whoever made it.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), Error> {
        let message = RouteNetlinkMessage::NewRule(rule.message());
        self.tell(message, NLM_F_CREATE | NLM_F_EXCL)
            .map_err(failed(rule, Operation::Added))
    }

    /// Deletes a rule of swarmlb's.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<(), Error> {
        self.tell(RouteNetlinkMessage::DelRule(rule.message()), 0)
            .map_err(failed(rule, Operation::Deleted))
    }
}

fn failed(rule: &Rule, operation: Operation) -> impl FnOnce(crate::socket::Error) -> Error {
    let rule = rule.clone();
    move |source| Error::Rule {
        rule,
        operation,
        source,
    }
}
