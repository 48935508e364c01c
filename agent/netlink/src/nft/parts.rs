//! Tables, chains and rules.

use super::attribute::Attribute;
use super::encode;
use super::expression::Expression;
use super::message::Message;
use super::uapi::*;
use std::fmt;

/// What packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// All that comes in on a device.
    Netdev,
    /// Frames that bridges of this host pass on, or hand to it.
    Bridge,
}

impl Family {
    /// `NFPROTO_…`.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Ip => NFPROTO_IPV4,
            Self::Ip6 => NFPROTO_IPV6,
            Self::Netdev => NFPROTO_NETDEV,
            Self::Bridge => NFPROTO_BRIDGE,
        }
    }
}

/// A table's name: unique in its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: &'static str,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
            Family::Netdev => "netdev",
            Family::Bridge => "bridge",
        };
        write!(f, "{family} {}", self.name)
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// What `nft list` shows as its comment: 127 bytes at most.
    pub comment: Option<String>,
}

/// What a base chain may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// Anything but to translate addresses.
    Filter,
    /// It sees the first packet of each connection, and decides for all.
    Nat,
}

/// Where packets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// All that come in.
    Prerouting,
    /// Those for this host.
    Input,
    /// Those that go through.
    Forward,
    /// Those of this host.
    Output,
    /// All that go out.
    Postrouting,
    /// Those that come in on this device, before anything of IP. For the family `netdev`.
    Ingress(&'static str),
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its table.
    pub table: TableName,
    /// Its name.
    pub name: &'static str,
    /// What it may do, where packets enter it, and when among others there (lower is earlier).
    /// A chain without is entered from other chains. What no rule decides about is accepted.
    pub base: Option<(ChainKind, Hook, i32)>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its table.
    pub table: TableName,
    /// Its chain. The rule comes behind those that are there.
    pub chain: &'static str,
    /// What it does.
    pub expressions: Vec<Expression>,
    /// Its name, which `nft list` shows as its comment: 127 bytes at most.
    pub comment: Option<&'static str>,
}

impl Table {
    pub(super) fn message(&self) -> Message {
        let mut attributes = vec![Attribute::text(NFTA_TABLE_NAME, self.name.name)];
        if let Some(comment) = &self.comment {
            attributes.push(Attribute::bytes(NFTA_TABLE_USERDATA, &note(comment)));
        }
        Message::new(NFT_MSG_NEWTABLE, self.name.family.number(), attributes)
    }
}

impl Chain {
    pub(super) fn message(&self) -> Message {
        let mut attributes = vec![
            Attribute::text(NFTA_CHAIN_TABLE, self.table.name),
            Attribute::text(NFTA_CHAIN_NAME, self.name),
        ];
        if let Some((kind, hook, priority)) = self.base {
            let kind = match kind {
                ChainKind::Filter => "filter",
                ChainKind::Nat => "nat",
            };
            attributes.push(Attribute::text(NFTA_CHAIN_TYPE, kind));
            attributes.push(place(hook, priority));
        }
        Message::new(NFT_MSG_NEWCHAIN, self.table.family.number(), attributes)
    }
}

fn place(hook: Hook, priority: i32) -> Attribute {
    let (number, device) = match hook {
        Hook::Prerouting => (0, None),
        Hook::Input => (1, None),
        Hook::Forward => (2, None),
        Hook::Output => (3, None),
        Hook::Postrouting => (4, None),
        Hook::Ingress(device) => (0, Some(device)),
    };
    let mut inner = vec![
        Attribute::u32(NFTA_HOOK_HOOKNUM, number),
        Attribute::bytes(NFTA_HOOK_PRIORITY, &priority.to_be_bytes()),
    ];
    inner.extend(device.map(|device| Attribute::text(NFTA_HOOK_DEV, device)));
    Attribute::nested(NFTA_CHAIN_HOOK, inner)
}

impl Rule {
    pub(super) fn message(&self) -> Message {
        let family = self.table.family;
        let expressions = self.expressions.iter();
        let list = expressions
            .map(|step| encode::expression(step, family))
            .collect();
        let mut attributes = vec![
            Attribute::text(NFTA_RULE_TABLE, self.table.name),
            Attribute::text(NFTA_RULE_CHAIN, self.chain),
            Attribute::nested(NFTA_RULE_EXPRESSIONS, list),
        ];
        if let Some(comment) = self.comment {
            attributes.push(Attribute::bytes(NFTA_RULE_USERDATA, &note(comment)));
        }
        Message::new(NFT_MSG_NEWRULE, family.number(), attributes)
    }
}

/// A comment as `nft` keeps it in user data: type 0, length, text with a NUL. What is too long
/// for it is cut.
pub(super) fn note(comment: &str) -> Vec<u8> {
    const LONGEST: usize = 127;
    let text = comment.bytes().take(LONGEST).chain([0]);
    let mut bytes = vec![0, 0];
    bytes.extend(text);
    if let Some(length) = bytes.get_mut(1) {
        *length = u8::try_from(comment.len().min(LONGEST) + 1).unwrap_or(u8::MAX);
    }
    bytes
}

/// The comment in such user data.
pub(super) fn noted(mut userdata: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = userdata {
        let (text, more) = rest.split_at_checked(usize::from(*length))?;
        if *kind == 0 {
            let text = text.strip_suffix(&[0]).unwrap_or(text);
            return String::from_utf8(text.to_vec()).ok();
        }
        userdata = more;
    }
    None
}
