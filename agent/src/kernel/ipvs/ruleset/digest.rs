//! Verifies the ruleset: the tables bear a digest of their definition.

use super::elements::Elements;
use super::rules::definition;
use super::{Params, TABLE, TABLE_BRIDGE, TABLE_TUNNEL, TABLE6};
use lb_netlink::nft::{self, Change, Error, Hook, Table, TableName};
use lb_netlink::socket::NetlinkSocket;
use std::collections::BTreeMap;

/// Changes with the meaning of what is in the sets: rules that are the same may be used in
/// another way.
const VERSION: u32 = 1;
const TABLES: [TableName; 4] = [TABLE, TABLE6, TABLE_TUNNEL, TABLE_BRIDGE];

/// All tables anew, whether there are some or not, with their elements and `volatile` ones. Sent
/// as one batch, there is no moment without rules.
#[must_use]
pub fn replace(params: &Params, elements: &Elements, volatile: Vec<Change>) -> Vec<Change> {
    let rules = definition(params);
    let digest = digest(&rules);
    let mut all = removal();
    all.extend(TABLES.map(|name| {
        let comment = Some(digest.clone());
        Change::AddTable(Table { name, comment })
    }));
    all.extend(rules);
    all.extend(elements.changes(&Elements::default()));
    all.extend(volatile);
    all
}

/// Removes all tables, whether there are some or not.
#[must_use]
pub fn removal() -> Vec<Change> {
    let each = TABLES.into_iter().flat_map(|name| {
        let comment = None;
        // One that is not there can't be deleted.
        [
            Change::AddTable(Table { name, comment }),
            Change::DeleteTable(name),
        ]
    });
    each.collect()
}

/// Has the kernel just the rules that follow from `params`? Of rules that somebody changed by
/// hand, it sees how many there are, not what they do.
///
/// # Errors
/// When the kernel can't be asked.
pub fn is_current(socket: &mut NetlinkSocket, params: &Params) -> Result<bool, Error> {
    let rules = definition(params);
    let digest = digest(&rules);
    for table in TABLES {
        if nft::comment(socket, table)?.as_ref() != Some(&digest) {
            return Ok(false);
        }
        if chains(socket, table)? != wanted(&rules, table) {
            return Ok(false);
        }
    }
    // A device that goes takes its chain along or off, and leaves the table.
    for change in &rules {
        if let Change::AddChain(chain) = change
            && let Some((_, Hook::Ingress(device), _)) = chain.base
            && nft::devices(socket, chain.table, chain.name)? != [device]
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn chains(socket: &mut NetlinkSocket, table: TableName) -> Result<BTreeMap<String, usize>, Error> {
    let mut all = BTreeMap::new();
    for rule in nft::rules(socket, table)? {
        *all.entry(rule.chain).or_default() += 1;
    }
    Ok(all)
}

fn wanted(changes: &[Change], table: TableName) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for change in changes {
        if let Change::AddRule(rule) = change
            && rule.table == table
        {
            *all.entry(rule.chain.to_owned()).or_default() += 1;
        }
    }
    all
}

/// Packets by what became of them: `refused`, `released`, `returned`, `sent back`, `stranger` and so on.
/// They begin at 0 when the tables are replaced.
///
/// # Errors
/// When the kernel can't be asked.
pub fn counts(socket: &mut NetlinkSocket) -> Result<BTreeMap<String, u64>, Error> {
    let mut all = BTreeMap::new();
    for table in TABLES {
        for rule in nft::rules(socket, table)? {
            if let (Some(comment), Some(packets)) = (rule.comment, rule.packets) {
                *all.entry(comment).or_default() += packets;
            }
        }
    }
    Ok(all)
}

fn digest(rules: &[Change]) -> String {
    let hash = fnv(&nft::encode(rules, 0));
    format!("swarmlb rules {VERSION} {hash:016x}")
}

/// FNV-1a: the same in every version of this program.
fn fnv(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    })
}
