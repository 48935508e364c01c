//! `nf_tables`: tables, chains, sets and rules as typed values, changed in batches that the
//! kernel takes as a whole or not at all.
//!
//! The formats are those of `linux/netfilter/nf_tables.h` and `nfnetlink.h`. Numbers in
//! attributes are big-endian; what a rule compares or stores is as it lies in the packet or, for
//! marks and indexes, in the memory of this machine.

mod attribute;
mod batch;
mod change;
mod element;
mod encode;
mod expression;
mod message;
mod names;
mod parts;
mod priority;
mod read;
mod set;
#[cfg(test)]
mod tests;
mod uapi;

pub use batch::{Error, apply, encode};
pub use change::Change;
pub use element::{Element, Key, Userdata};
pub use expression::{
    Address, Comparison, Expression, Found, Layer, Meta, Payload, Register, Tracked, Verdict, Word,
};
pub use message::{Message, ReadError};
pub use names::{Family, SetName, TableName};
pub use parts::{Chain, ChainKind, Hook, Rule, Table};
pub use priority::{PRIO_BRIDGE_DSTNAT, PRIO_DSTNAT, PRIO_FILTER, PRIO_RAW, PRIO_SRCNAT};
pub use read::{Generation, RuleCount, comment, devices, elements, generation, rules};
pub use set::{Field, Set, SetKind};
