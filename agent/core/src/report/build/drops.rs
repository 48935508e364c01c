//! Dropped packets, by reason.

use crate::report::{DropReport, Drops};
use lb_abi::counters::Reason;
use std::collections::BTreeMap;

/// `GET /v1/drops`: every reason there is, in the order of their codes.
#[must_use]
pub fn drops(counted: &BTreeMap<Reason, u64>) -> Drops {
    let drops = Reason::ALL
        .iter()
        .map(|reason| DropReport {
            reason: reason_name(*reason),
            packets: counted.get(reason).copied().unwrap_or_default(),
            meaning: reason.sentence().to_owned(),
        })
        .collect();
    Drops { drops }
}

/// The variant's name as people type names: `UnknownTask` is `unknown-task`.
#[must_use]
pub fn reason_name(reason: Reason) -> String {
    let mut name = String::new();
    for letter in format!("{reason:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_know_reasons_by_these_names() {
        let names = [
            (Reason::UnknownTask, "unknown-task"),
            (Reason::BadTunnel, "bad-tunnel"),
            (Reason::TooBig, "too-big"),
            (Reason::NoSlot, "no-slot"),
            (Reason::NoRoom, "no-room"),
            (Reason::FlowTable, "flow-table"),
            (Reason::NoPort, "no-port"),
        ];
        for (reason, name) in names {
            assert_eq!(reason_name(reason), name);
        }
    }

    #[test]
    fn every_reason_is_told_with_its_number() {
        let told = drops(&BTreeMap::from([
            (Reason::TooBig, 3),
            (Reason::NoSlot, u64::MAX),
        ]));
        assert_eq!(told.drops.len(), Reason::ALL.len());
        for (told, reason) in told.drops.iter().zip(Reason::ALL) {
            let packets = match reason {
                Reason::TooBig => 3,
                Reason::NoSlot => u64::MAX,
                _ => 0,
            };
            assert_eq!(
                (told.reason.as_str(), told.packets, told.meaning.as_str()),
                (reason_name(*reason).as_str(), packets, reason.sentence())
            );
        }
    }
}
