//! Keys of tunnel tokens as protobuf messages: sixteen bytes each.

use crate::proto;
use lb_core::model::token::{TokenKey, TokenKeys};
use prost::bytes::Bytes;
use std::fmt;

impl fmt::Debug for proto::TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKeys({}, secret)", self.epoch)
    }
}

/// A node's keys as a protobuf message.
#[must_use]
pub fn keys_out(keys: &TokenKeys) -> proto::TokenKeys {
    proto::TokenKeys {
        epoch: keys.epoch,
        current: Bytes::copy_from_slice(&keys.current.bytes()),
        next: Bytes::copy_from_slice(&keys.next.bytes()),
    }
}

/// A node's keys from a protobuf message; `None` if they are not of the size that keys have.
#[must_use]
pub fn keys_in(keys: &proto::TokenKeys) -> Option<TokenKeys> {
    let key = |bytes: &Bytes| bytes.as_ref().try_into().ok().map(TokenKey::new);
    Some(TokenKeys {
        epoch: keys.epoch,
        current: key(&keys.current)?,
        next: key(&keys.next)?,
    })
}
