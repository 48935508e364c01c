//! What the kernel has.

use super::attribute::{Attribute, Attributes};
use super::batch::Error;
use super::change::of;
use super::element::Element;
use super::message::Message;
use super::parts::{TableName, noted};
use super::set::SetName;
use super::uapi::*;
use crate::socket::Wire;
use nix::errno::Errno;
use std::fmt;

/// So often a list is asked for when what it lists changes meanwhile.
const ATTEMPTS: u32 = 16;

/// A rule that is there, as far as it is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// Its chain.
    pub chain: String,
    /// Its name.
    pub comment: Option<String>,
    /// What its first counter has counted, if it has one.
    pub packets: Option<u64>,
}

/// A table's comment; nothing if there is no such table.
///
/// # Errors
/// When the kernel can't be asked.
pub fn comment(wire: &mut Wire, table: TableName) -> Result<Option<String>, Error> {
    let name = vec![Attribute::text(NFTA_TABLE_NAME, table.name)];
    let question = Message::new(NFT_MSG_GETTABLE, table.family.number(), name);
    match wire.ask(question, 0) {
        Ok(told) => Ok(told
            .iter()
            .find(|message| message.is(NFT_MSG_NEWTABLE))
            .map(|message| {
                let userdata = message.attributes().find(NFTA_TABLE_USERDATA);
                userdata.and_then(noted).unwrap_or_default()
            })),
        Err(error) if error.refused() == Some(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The elements of a set or map, in no order; nothing if there is no such set.
///
/// # Errors
/// When the kernel can't be asked, or its tables change all the time.
pub fn elements(wire: &mut Wire, set: SetName) -> Result<Option<Vec<Element>>, Error> {
    let question = Message::new(
        NFT_MSG_GETSETELEM,
        set.table.family.number(),
        of(set).to_vec(),
    );
    let told = match list(wire, &question, &set) {
        Ok(told) => told,
        Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    let messages = told.iter().filter(|it| it.is(NFT_MSG_NEWSETELEM));
    Ok(Some(messages.flat_map(listed).collect()))
}

/// The elements in a message.
pub(super) fn listed(message: &Message) -> impl Iterator<Item = Element> {
    let list = message.attributes().nested(NFTA_SET_ELEM_LIST_ELEMENTS);
    let each = list.into_iter().flat_map(|list| list.all(NFTA_LIST_ELEM));
    each.filter_map(Element::parse)
}

/// The rules of a table, chain by chain, in their order; none if there is no such table.
///
/// # Errors
/// When the kernel can't be asked, or its tables change all the time.
pub fn rules(wire: &mut Wire, table: TableName) -> Result<Vec<RuleCount>, Error> {
    let name = vec![Attribute::text(NFTA_RULE_TABLE, table.name)];
    let question = Message::new(NFT_MSG_GETRULE, table.family.number(), name);
    let told = match list(wire, &question, &table) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Vec::new(),
        other => other?,
    };
    let messages = told.iter().filter(|it| it.is(NFT_MSG_NEWRULE));
    Ok(messages.filter_map(|it| rule(it.attributes())).collect())
}

pub(super) fn rule(told: Attributes<'_>) -> Option<RuleCount> {
    let counter = told
        .nested(NFTA_RULE_EXPRESSIONS)
        .into_iter()
        .flat_map(|list| list.all(NFTA_LIST_ELEM))
        .map(Attributes::of)
        .find(|expression| expression.text(NFTA_EXPR_NAME) == Some("counter"));
    Some(RuleCount {
        chain: told.text(NFTA_RULE_CHAIN)?.to_owned(),
        comment: told.find(NFTA_RULE_USERDATA).and_then(noted),
        packets: counter
            .and_then(|counter| counter.nested(NFTA_EXPR_DATA))
            .and_then(|data| data.u64(NFTA_COUNTER_PACKETS)),
    })
}

/// All of a kind, as it was at one moment.
fn list(
    wire: &mut Wire,
    question: &Message,
    what: &impl fmt::Display,
) -> Result<Vec<Message>, Error> {
    for _ in 0..ATTEMPTS {
        match wire.list(question.clone()) {
            Err(error) if error.refused() == Some(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
    Err(Error::Restless(what.to_string()))
}
