//! The keys of the tokens on what this node puts into the tunnel: drawn here, kept by the kernel, and
//! given to the other nodes over the agents' sessions.
//!
//! ```text
//!           |<------------- EPOCH ------------->|<- LINGERS ->|
//! current   n                                   n + 1          n + 1
//! next      n + 1 (known to all for a day)      n              n + 2 (drawn now)
//! ```
//!
//! A key is known to the others for a whole epoch before it is used, and the last one is good for a
//! moment after that: a change of epoch loses no packet, and needs no agreement.

use lb_core::model::ids::NodeId;
use lb_core::model::snapshot::Snapshot;
use lb_core::model::token::{TokenKey, TokenKeys};
use std::io::{self, Read as _};
use std::time::Duration;
use tokio::time::Instant;

/// How long a key is in use.
const EPOCH: Duration = Duration::from_secs(24 * 60 * 60);
/// How long packets under the last key may be on their way.
const LINGERS: Duration = Duration::from_secs(60);
/// How long the first keys are waited for to be known to the others.
const PATIENCE: Duration = Duration::from_secs(3);

/// The keys, and what is to be done with them when.
pub(super) struct Tokens {
    keys: TokenKeys,
    stage: Stage,
    /// When the stage ends.
    until: Instant,
    /// Until when new keys, which other nodes don't know yet, hold up this node's first reconcile pass.
    unknown: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `next` is what it says.
    Ready,
    /// `next` is what was `current` until now.
    Lingering,
}

impl Tokens {
    /// Goes on with `known` keys, or with new ones.
    ///
    /// # Errors
    /// When the kernel's source of random bytes can't be read.
    pub(super) fn start(known: Option<TokenKeys>, now: Instant) -> io::Result<Self> {
        let (keys, unknown) = match known {
            Some(keys) => (keys, None),
            None => {
                let keys = TokenKeys {
                    epoch: 0,
                    current: draw()?,
                    next: draw()?,
                };
                (keys, Some(now + PATIENCE))
            }
        };
        Ok(Self {
            keys,
            stage: Stage::Ready,
            until: now + EPOCH,
            unknown,
        })
    }

    /// The keys.
    pub(super) const fn keys(&self) -> TokenKeys {
        self.keys
    }

    /// Goes on to the next stage if it is time. Returns whether the keys have changed.
    ///
    /// # Errors
    /// When the kernel's source of random bytes can't be read.
    pub(super) fn advance(&mut self, now: Instant) -> io::Result<bool> {
        if now < self.until {
            return Ok(false);
        }
        let TokenKeys {
            epoch,
            current,
            next,
        } = self.keys;
        match self.stage {
            Stage::Ready => {
                self.keys = TokenKeys {
                    epoch: epoch.wrapping_add(1),
                    current: next,
                    next: current,
                };
                self.stage = Stage::Lingering;
                self.until = now + LINGERS;
            }
            Stage::Lingering => {
                self.keys.next = draw()?;
                self.stage = Stage::Ready;
                self.until = now + EPOCH;
            }
        }
        Ok(true)
    }

    /// Are the keys so new that no other node would believe what this one sends? As far as `snapshot`
    /// says: who keeps the view has given it to all others, too.
    pub(super) fn unknown(&mut self, snapshot: &Snapshot, own: &NodeId, now: Instant) -> bool {
        let Some(until) = self.unknown else {
            return false;
        };
        let told = snapshot.nodes.get(own).and_then(|node| node.token_keys);
        let alone = snapshot.complete && snapshot.nodes.len() == 1;
        if told == Some(self.keys) || alone || now >= until {
            self.unknown = None;
        }
        self.unknown.is_some()
    }
}

fn draw() -> io::Result<TokenKey> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(TokenKey::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would who was told `receiver` open what is sent with `sender`'s current key?
    fn opens(receiver: TokenKeys, sender: TokenKeys) -> bool {
        let table = |keys: TokenKeys| {
            let key = |key: TokenKey| lb_abi::tunnel::TokenKey::new(key.bytes());
            lb_abi::tunnel::TokenKeys::new(keys.epoch, key(keys.current), key(keys.next))
        };
        let [sent, taken] = [table(sender), table(receiver)].map(|keys| *keys.of(sender.epoch));
        sent == taken
    }

    #[test]
    fn who_is_one_change_behind_still_opens_what_is_sent_and_who_is_two_epochs_behind_does_not() {
        let mut tokens = Tokens::start(None, Instant::now()).unwrap();
        let mut told = vec![tokens.keys()];
        for _ in 0..5 {
            let at = tokens.until;
            assert!(!tokens.advance(at - Duration::from_millis(1)).unwrap());
            assert!(tokens.advance(at).unwrap());
            let now = tokens.keys();
            assert!(
                opens(told[told.len() - 1], now),
                "heard nothing of the change yet"
            );
            assert!(
                opens(now, told[told.len() - 1]),
                "a packet under way meanwhile"
            );
            told.push(now);
        }
        assert!(!opens(told[0], told[5]), "old keys are good for nothing");
    }

    #[test]
    fn an_agent_that_starts_again_goes_on_with_the_keys_that_are_there() {
        let before = Tokens::start(None, Instant::now()).unwrap().keys();
        let mut again = Tokens::start(Some(before), Instant::now()).unwrap();
        assert_eq!(again.keys(), before);
        let view = Snapshot::default();
        assert!(!again.unknown(&view, &NodeId::default(), Instant::now()));
    }

    #[test]
    fn new_keys_are_waited_for_to_be_in_the_view_but_not_for_ever() {
        let now = Instant::now();
        let mut tokens = Tokens::start(None, now).unwrap();
        assert!(tokens.unknown(&Snapshot::default(), &NodeId::default(), now));
        assert!(!tokens.unknown(&Snapshot::default(), &NodeId::default(), now + PATIENCE));
    }
}
