//! Changes of the kernel's tables.

use super::attribute::Attribute;
use super::element::Element;
use super::message::Message;
use super::names::{SetName, TableName};
use super::parts::{Chain, Rule, Table};
use super::set::Set;
use super::uapi::*;
use netlink_packet_core::NLM_F_CREATE;
use std::fmt;

/// `NLM_F_APPEND` of rules: behind those that are there.
const APPEND: u16 = netlink_packet_core::NLM_F_APPEND;
/// So many elements go into one message: an attribute is shorter than 64 KiB, and an element
/// takes up to 120 bytes.
const ELEMENTS: usize = 256;

/// One change. What is added may be there already, if it is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a table. One that is there keeps its comment.
    AddTable(Table),
    /// Deletes a table with all that is in it. It must be there.
    DeleteTable(TableName),
    /// Adds a chain.
    AddChain(Chain),
    /// Adds a set or map.
    AddSet(Set),
    /// Adds a rule, also if the same is there.
    AddRule(Rule),
    /// Adds elements. Those that are there keep the time they have; in a map, the kernel refuses
    /// other values than they have (`EEXIST`).
    AddElements(SetName, Vec<Element>),
    /// Deletes elements. They must be there.
    DeleteElements(SetName, Vec<Element>),
    /// Deletes all elements of a set or map.
    Flush(SetName),
}

impl Change {
    /// The messages that do it, each with flags of its own. `id` is unlike that of other changes
    /// of the batch.
    pub(super) fn messages(&self, id: u32) -> Vec<(Message, u16)> {
        match self {
            Self::AddTable(table) => vec![(table.message(), NLM_F_CREATE)],
            Self::DeleteTable(table) => {
                let name = vec![Attribute::text(NFTA_TABLE_NAME, table.name)];
                let family = table.family.number();
                vec![(Message::new(NFT_MSG_DELTABLE, family, name), 0)]
            }
            Self::AddChain(chain) => vec![(chain.message(), NLM_F_CREATE)],
            Self::AddSet(set) => vec![(set.message(id), NLM_F_CREATE)],
            Self::AddRule(rule) => vec![(rule.message(), NLM_F_CREATE | APPEND)],
            Self::AddElements(set, elements) => chunks(elements)
                .map(|some| some.iter().map(Element::attribute).collect())
                .map(|list| (listed(NFT_MSG_NEWSETELEM, *set, list), NLM_F_CREATE))
                .collect(),
            Self::DeleteElements(set, elements) => chunks(elements)
                .map(|some| some.iter().map(Element::name).collect())
                .map(|list| (listed(NFT_MSG_DELSETELEM, *set, list), 0))
                .collect(),
            Self::Flush(set) => {
                let all = Message::new(
                    NFT_MSG_DELSETELEM,
                    set.table.family.number(),
                    of(*set).to_vec(),
                );
                vec![(all, 0)]
            }
        }
    }
}

fn chunks(elements: &[Element]) -> impl Iterator<Item = &[Element]> {
    elements.chunks(ELEMENTS)
}

/// The attributes that name a set in messages about elements.
pub(super) fn of(set: SetName) -> [Attribute; 2] {
    [
        Attribute::text(NFTA_SET_ELEM_LIST_TABLE, set.table.name),
        Attribute::text(NFTA_SET_ELEM_LIST_SET, set.name),
    ]
}

fn listed(kind: u16, set: SetName, list: Vec<Attribute>) -> Message {
    let mut attributes = of(set).to_vec();
    attributes.push(Attribute::nested(NFTA_SET_ELEM_LIST_ELEMENTS, list));
    Message::new(kind, set.table.family.number(), attributes)
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddTable(table) => write!(f, "add table {}", table.name),
            Self::DeleteTable(table) => write!(f, "delete table {table}"),
            Self::AddChain(chain) => write!(f, "add chain {} {}", chain.table, chain.name),
            Self::AddSet(set) => write!(f, "add set {}", set.name),
            Self::AddRule(rule) => {
                write!(f, "add rule {} {}", rule.table, rule.chain)?;
                match rule.comment {
                    Some(comment) => write!(f, " \"{comment}\""),
                    None => Ok(()),
                }
            }
            Self::AddElements(set, all) => write!(f, "add {} elements to {set}", all.len()),
            Self::DeleteElements(set, all) => {
                write!(f, "delete {} elements of {set}", all.len())
            }
            Self::Flush(set) => write!(f, "flush set {set}"),
        }
    }
}
