//! Names that the Swarm gives to things, and the keys that the kernel uses for them.
//!
//! Ids stand in many places: a clone shares the text of its original.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

macro_rules! swarm_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as the Swarm writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }
    };
}

swarm_id!(
    /// A service's id, 25 characters, never used again after the service is gone.
    ServiceId
);
swarm_id!(
    /// A task's id, 25 characters. A task never runs twice, so its id names one container's life.
    TaskId
);
swarm_id!(
    /// A node's id: the CN of its certificate.
    NodeId
);

/// A 64-bit name for a task or a service inside the kernel and on the wire.
///
/// Every agent derives it from the Swarm's id by itself, so nothing has to be
/// agreed on. Ids are never used again, so a key is id and generation in one:
/// an address that a new task inherits from an old one comes with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub u64);

impl Key {
    /// FNV-1a, 64 bits (draft-eastlake-fnv): stable over versions and machines,
    /// which `std`'s hashers do not promise. Zero is kept for "none".
    #[must_use]
    pub fn of(id: &str) -> Self {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in id.as_bytes() {
            hash ^= u64::from(*byte);
            hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        }
        // FNV leaves short, similar ids close together in the high bits.
        hash ^= hash >> 32;
        hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
        Self(if hash == 0 { 1 } else { hash })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<&TaskId> for Key {
    fn from(id: &TaskId) -> Self {
        Self::of(id.as_str())
    }
}

impl From<&ServiceId> for Key {
    fn from(id: &ServiceId) -> Self {
        Self::of(id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_on_every_node_and_in_every_version() {
        // As an implementation apart from this one computes them.
        assert_eq!(Key::of(""), Key(0x8570_e250_fe4c_2473));
        assert_eq!(
            Key::of("0qihejybwf1x5vqi8lgzlgnpq"),
            Key(0xbaaa_cfe4_41c1_e65f)
        );
        assert_eq!(Key::of("0qihejybwf1x5vqi8lgzlgnpq").to_string().len(), 16);
        assert_ne!(Key::of("a"), Key::of("b"));
    }
}
