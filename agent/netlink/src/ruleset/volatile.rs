//! Elements that packets add to sets: removed with their port, and kept when the rules are replaced.

use super::set_element::{Port, Protocol};
use super::sets::{
    ANSWERED, CALLERS, CALLS, CROWDED, DATAGRAMS, LEASE, LEASE_BRIDGE, OPENING, ORIGINAL_PORTS,
    RELEASED, REMAPPED_PORTS,
};
use crate::nft::{self, Change, Element, Error, Key, SetName};
use crate::socket::NetlinkSocket;
use std::collections::BTreeSet;
use std::time::Duration;

/// What there is about connections to ports that are published no more, to be taken out.
///
/// # Errors
/// When the kernel can't be asked.
pub fn remains(socket: &mut NetlinkSocket, gone: &BTreeSet<Port>) -> Result<Vec<Change>, Error> {
    /// What ends by itself this soon is left alone: where one element is gone already, the kernel takes out none.
    /// What is kept as short as this is not looked at.
    const SOON: Duration = Duration::from_secs(5);
    let to_gone = |element: &Element, protocol| {
        let [_, _, _, [high, low, ..]] = element.key.words()?;
        let port = Port {
            protocol,
            port: u16::from_be_bytes([high, low]),
        };
        let lasts = element.left.is_some_and(|left| left > SOON);
        (lasts && gone.contains(&port)).then(|| Element::key(element.key.clone()))
    };
    let mut all = Vec::new();
    for (name, protocol) in [
        (CALLS, Protocol::Tcp),
        (REMAPPED_PORTS, Protocol::Tcp),
        (ORIGINAL_PORTS, Protocol::Tcp),
        (DATAGRAMS, Protocol::Udp),
        (ANSWERED, Protocol::Udp),
    ] {
        let elements = nft::elements(socket, name)?.unwrap_or_default();
        let gone: Vec<Element> = elements
            .iter()
            .filter_map(|element| to_gone(element, protocol))
            .collect();
        if !gone.is_empty() {
            all.push(Change::DeleteElements(name, gone));
        }
    }
    Ok(all)
}

/// What is in the sets that packets fill, and the lease, to be put into new tables.
///
/// # Errors
/// When the kernel can't be asked.
pub fn volatile(socket: &mut NetlinkSocket) -> Result<Vec<Change>, Error> {
    /// More than that does not fit into one batch.
    const MOST: usize = 100_000;
    let mut all = Vec::new();
    for name in [
        LEASE,
        LEASE_BRIDGE,
        RELEASED,
        REMAPPED_PORTS,
        ORIGINAL_PORTS,
        CROWDED,
    ] {
        all.extend(kept(socket, name)?);
    }
    let mut flows = Vec::new();
    for name in [CALLERS, CALLS, OPENING, DATAGRAMS, ANSWERED] {
        flows.extend(kept(socket, name)?);
    }
    let many = |change: &Change| match change {
        Change::AddElements(_, elements) => elements.len(),
        _ => 0,
    };
    if flows.iter().map(many).sum::<usize>() <= MOST {
        all.extend(flows);
    } else {
        all.extend(crowded());
    }
    Ok(all)
}

/// Are there flows among these?
#[must_use]
pub fn knows_flows(changes: &[Change]) -> bool {
    let mut all = changes.iter();
    all.any(|change| matches!(change, Change::AddElements(CALLS | DATAGRAMS | CROWDED, _)))
}

/// Lets replies through, for a while, whose flows are not known any more: rules without memory came under
/// connections that go on.
#[must_use]
pub fn crowded() -> [Change; 2] {
    [Protocol::Tcp, Protocol::Udp].map(|protocol| {
        let key = Key::single(&[protocol.number()]);
        Change::AddElements(CROWDED, vec![Element::key(key)])
    })
}

/// Other versions had sets of these names without values, of which nothing is kept.
fn kept(socket: &mut NetlinkSocket, name: SetName) -> Result<Option<Change>, Error> {
    let mut elements = nft::elements(socket, name)?.unwrap_or_default();
    if [CALLS, DATAGRAMS].contains(&name) {
        elements.retain(|element| element.value.is_some());
    }
    for element in &mut elements {
        // What was renewed may end later than what it was put for would allow, which the kernel refuses.
        element.timeout = element.timeout.max(element.left);
    }
    Ok((!elements.is_empty()).then_some(Change::AddElements(name, elements)))
}
