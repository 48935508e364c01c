//! Changes of header fields that labels ask for.

use crate::route::HeaderChange;
use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName};

/// Fields that say where a message ends, or that belong to the connection. A label that changes them would break the message,
/// and changes nothing.
const FRAMING: [HeaderName; 6] = [
    CONNECTION,
    CONTENT_LENGTH,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Sets a field in place of those that are there, or removes it.
pub(super) fn apply(change: &HeaderChange, headers: &mut HeaderMap) {
    if FRAMING.contains(&change.name) {
        return;
    }
    match &change.value {
        Some(value) => drop(headers.insert(&change.name, value.clone())),
        None => drop(headers.remove(&change.name)),
    }
}
