//! Tables, chains and rules.

use super::attribute::Attribute;
use super::encode;
use super::expression::Expression;
use super::message::Message;
use super::names::TableName;
use super::uapi::*;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// Comment, as `nft list` shows it: 127 bytes at most.
    pub comment: Option<String>,
}

/// Type of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// Anything but to translate addresses.
    Filter,
    /// Translates addresses: sees the first packet of each connection, and decides for all.
    Nat,
}

/// Hook at which packets enter a base chain (`NF_INET_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Every packet that comes in.
    Prerouting,
    /// Packets for this host.
    Input,
    /// Packets that are forwarded.
    Forward,
    /// Packets that this host sends.
    Output,
    /// Every packet that goes out.
    Postrouting,
    /// Packets that come in on this device, ahead of IP. For the family `netdev`.
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
    /// Expressions of the rule, in order.
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
