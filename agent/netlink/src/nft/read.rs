//! Reads the kernel's tables.

use super::attribute::{Attribute, Attributes};
use super::batch::Error;
use super::change::of;
use super::element::Element;
use super::message::Message;
use super::names::{SetName, TableName};
use super::parts::noted;
use super::uapi::*;
use crate::socket::NetlinkSocket;
use nix::errno::Errno;
use std::fmt;

/// How many times a list that changes while it is read is requested.
const ATTEMPTS: u32 = 16;

/// A rule that is there, as far as it is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// Its chain.
    pub chain: String,
    /// Its name.
    pub comment: Option<String>,
    /// Packets counted by its first counter, if it has one.
    pub packets: Option<u64>,
}

/// A table's comment; nothing if there is no such table.
///
/// # Errors
/// When the kernel can't be asked.
pub fn comment(socket: &mut NetlinkSocket, table: TableName) -> Result<Option<String>, Error> {
    let name = vec![Attribute::text(NFTA_TABLE_NAME, table.name)];
    let question = Message::new(NFT_MSG_GETTABLE, table.family.number(), name);
    let told = one(socket, question, NFT_MSG_NEWTABLE)?;
    Ok(told.map(|table| {
        let userdata = table.attributes().find(NFTA_TABLE_USERDATA);
        userdata.and_then(noted).unwrap_or_default()
    }))
}

/// The devices that a chain of the family `netdev` is on; none if there is no such chain.
///
/// A device that goes takes such a chain along, on older kernels. Later ones keep the chain, on
/// no device; from 6.16 on it waits for a device of the same name, and names it meanwhile.
///
/// # Errors
/// When the kernel can't be asked.
pub fn devices(
    socket: &mut NetlinkSocket,
    table: TableName,
    chain: &str,
) -> Result<Vec<String>, Error> {
    let name = vec![
        Attribute::text(NFTA_CHAIN_TABLE, table.name),
        Attribute::text(NFTA_CHAIN_NAME, chain),
    ];
    let question = Message::new(NFT_MSG_GETCHAIN, table.family.number(), name);
    let told = one(socket, question, NFT_MSG_NEWCHAIN)?;
    let hook = told
        .as_ref()
        .and_then(|chain| chain.attributes().nested(NFTA_CHAIN_HOOK));
    let list = hook.and_then(|hook| hook.nested(NFTA_HOOK_DEVS));
    let names = list
        .into_iter()
        .flat_map(|list| list.texts(NFTA_DEVICE_NAME));
    Ok(names.map(str::to_owned).collect())
}

/// The elements of a set or map, each once, in order of their keys; nothing if there is no such set.
///
/// Where packets put elements into a set, its hash table grows and shrinks without a new generation. While
/// it does, the kernel may list an element twice (left out here) or not at all
/// (`nft_rhash_walk` in the kernel's net/netfilter/nft_set_hash.c goes on after `EAGAIN`).
///
/// # Errors
/// When the kernel can't be asked, or its tables change all the time.
pub fn elements(socket: &mut NetlinkSocket, set: SetName) -> Result<Option<Vec<Element>>, Error> {
    let question = Message::new(
        NFT_MSG_GETSETELEM,
        set.table.family.number(),
        of(set).to_vec(),
    );
    let told = match list(socket, &question, &set) {
        Ok(told) => told,
        Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    let messages = told.iter().filter(|it| it.is(NFT_MSG_NEWSETELEM));
    Ok(Some(each_once(messages.flat_map(listed))))
}

/// Elements without repetitions, in order of their keys. A batch that takes out one element twice is refused.
pub(super) fn each_once(listed: impl Iterator<Item = Element>) -> Vec<Element> {
    let mut all: Vec<Element> = listed.collect();
    all.sort_by(|one, other| (&one.key, &one.last).cmp(&(&other.key, &other.last)));
    all.dedup_by(|one, other| (&one.key, &one.last) == (&other.key, &other.last));
    all
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
pub fn rules(socket: &mut NetlinkSocket, table: TableName) -> Result<Vec<RuleCount>, Error> {
    let name = vec![Attribute::text(NFTA_RULE_TABLE, table.name)];
    let question = Message::new(NFT_MSG_GETRULE, table.family.number(), name);
    let told = match list(socket, &question, &table) {
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

/// The answer of this kind to a question about one thing; none if it is not there.
fn one(socket: &mut NetlinkSocket, question: Message, kind: u16) -> Result<Option<Message>, Error> {
    match socket.request(question, 0) {
        Ok(told) => Ok(told.into_iter().find(|message| message.is(kind))),
        Err(error) if error.refused() == Some(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Lists all objects of a kind, as of one moment.
fn list(
    socket: &mut NetlinkSocket,
    question: &Message,
    what: &impl fmt::Display,
) -> Result<Vec<Message>, Error> {
    let mut before = generation(socket)?;
    for _ in 0..ATTEMPTS {
        let told = socket.dump(question.clone());
        // Lists of elements come without a word about changes meanwhile.
        let after = generation(socket)?;
        match told {
            Err(error) if error.refused() == Some(Errno::EINTR) => {}
            other if before == after => return Ok(other?),
            _ => {}
        }
        before = after;
    }
    Err(Error::Restless(what.to_string()))
}

/// How the kernel's tables are numbered: every batch that it took in this network namespace counts
/// on. What packets put into sets, and what expires there, does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u32);

impl Generation {
    /// The number after one more batch (`nf_tables_commit` leaves out 0).
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1).max(1))
    }
}

/// The number now; none from a kernel that has no such thing.
///
/// # Errors
/// When the kernel can't be asked.
pub fn generation(socket: &mut NetlinkSocket) -> Result<Option<Generation>, Error> {
    let question = Message::new(NFT_MSG_GETGEN, NFPROTO_UNSPEC, Vec::new());
    let told = one(socket, question, NFT_MSG_NEWGEN)?;
    let number = told.and_then(|told| told.attributes().u32(NFTA_GEN_ID));
    Ok(number.map(Generation))
}
