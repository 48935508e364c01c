//! Elements that packets add to sets: removed with their port, and kept when the rules are replaced.

use super::sets::{
    ANSWERED, ASKED, ASKED_HERE, CALLERS, CALLS, CROWDED, DATAGRAMS, DELIVERED, LEASE,
    LEASE_BRIDGE, OPENING, ORIGINAL_PORTS, RELEASED, REMAPPED_PORTS,
};
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use lb_netlink::nft::{self, Change, Element, Error, Key, SetName};
use lb_netlink::socket::NetlinkSocket;
use std::collections::BTreeSet;
use std::time::Duration;

/// Changes that delete elements about connections to ports that are no longer published.
///
/// # Errors
/// When the kernel can't be asked.
pub fn remains(socket: &mut NetlinkSocket, gone: &BTreeSet<Port>) -> Result<Vec<Change>, Error> {
    /// What ends by itself this soon is left alone: where one element is gone already, the kernel takes out none.
    /// What is kept as short as this is not looked at.
    const SOON: Duration = Duration::from_secs(5);
    let to_gone = |element: &Element, protocol| {
        let [_, _, _, [high, low, ..]] = element.key.words()?;
        let port = Port::new(Be16::new(u16::from_be_bytes([high, low])), protocol);
        let lasts = element.left.is_some_and(|left| left > SOON);
        (lasts && gone.contains(&port)).then(|| Element::key(element.key.clone()))
    };
    let mut all = Vec::new();
    for (name, protocol) in [
        (CALLS, TCP),
        (REMAPPED_PORTS, TCP),
        (ORIGINAL_PORTS, TCP),
        (DATAGRAMS, UDP),
        (ANSWERED, UDP),
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

/// Changes that add the elements of sets that packets fill, and the lease, to new tables.
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
    for name in [
        CALLERS, CALLS, OPENING, DATAGRAMS, ANSWERED, DELIVERED, ASKED, ASKED_HERE,
    ] {
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

/// Whether the changes add flows.
#[must_use]
pub fn knows_flows(changes: &[Change]) -> bool {
    let mut all = changes.iter();
    all.any(|change| matches!(change, Change::AddElements(CALLS | DATAGRAMS | CROWDED, _)))
}

/// Lets replies through, for a while, whose flows are not known any more: rules without memory came under
/// connections that go on.
#[must_use]
pub fn crowded() -> [Change; 2] {
    [TCP, UDP].map(|protocol| {
        let key = Key::single(&[protocol]);
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
