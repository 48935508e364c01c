//! Keys for the tokens on packets between nodes.
//!
//! Each node draws its own, sends with them, and gives them to the other nodes over the agents'
//! sessions: whoever holds them can check what that node sends, and nobody else can make it. They
//! travel and rest in memory only: nothing here can be serialised, and `Debug` shows no byte.

use std::fmt;

/// A key of SipHash, secret to the nodes of the Swarm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenKey([u8; 16]);

impl TokenKey {
    /// Bytes that were drawn at random.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// For whoever checks or makes tokens, and for the agents' sessions.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(secret)")
    }
}

/// The keys of one node. It sends with `current`; who receives takes both, so that a change needs
/// no agreement on its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenKeys {
    /// The number of `current`; that of `next` is one more.
    pub epoch: u32,
    /// By which it sends.
    pub current: TokenKey,
    /// By which it will send.
    pub next: TokenKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_for_people_shows_a_byte() {
        let keys = TokenKeys {
            epoch: 7,
            current: TokenKey::new([0xab; 16]),
            next: TokenKey::new([171; 16]),
        };
        let shown = format!("{keys:?} {keys:#?} {:x?}", keys.current);
        assert!(shown.contains('7'), "{shown}");
        assert_eq!(shown.matches("TokenKey(secret)").count(), 5, "{shown}");
        assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
    }
}
