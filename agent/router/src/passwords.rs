//! Passwords that were compared, so that a client does not pay for each of its requests.
//!
//! A comparison takes as long as its digest says: bcrypt takes 50 ms and more of a processor. It is done on threads of its
//! own, of which there are few, and what was right is remembered for a while.

use crate::clock::Seconds;
use lb_routes::filters::{Credentials, verify};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a password that was right is not compared again.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Passwords that are remembered at a time.
const MOST: usize = 10_000;

/// Comparisons at a time of one worker. Whoever waits for one and is gone has none: guesses that are taken back make no
/// queue.
const AT_A_TIME: usize = 2;

/// Passwords that were right, of one worker.
pub(crate) struct Passwords {
    /// By a hash of digest and password.
    right: RefCell<HashMap<[u8; 32], Seconds>>,
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            right: RefCell::default(),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }
}

impl Passwords {
    /// Is it the name and password of a user?
    pub(crate) async fn check(&self, credentials: &Credentials<'_>) -> bool {
        let hash = hash(credentials.digest(), credentials.password());
        if self.remembers(&hash) {
            return credentials.user().is_some();
        }
        let Ok(turn) = self.turns.clone().acquire_owned().await else {
            return false;
        };
        // Another request with the same password may have been before.
        if self.remembers(&hash) {
            return credentials.user().is_some();
        }
        let digest = credentials.digest().to_owned();
        let password = credentials.password().to_owned();
        let compared = tokio::task::spawn_blocking(move || {
            let right = verify(&digest, &password);
            drop(turn);
            right
        });
        let right = compared.await.unwrap_or(false);
        if right {
            self.remember(hash, Seconds::now());
        }
        right && credentials.user().is_some()
    }

    fn remembers(&self, hash: &[u8; 32]) -> bool {
        let remembered = self.right.borrow().get(hash).copied();
        remembered.is_some_and(|since| !since.is_over(REMEMBERED, Seconds::now()))
    }

    fn remember(&self, hash: [u8; 32], now: Seconds) {
        let mut all = self.right.borrow_mut();
        if all.len() >= MOST {
            all.retain(|_, since| !since.is_over(REMEMBERED, now));
        }
        if all.len() < MOST {
            all.insert(hash, now);
        }
    }
}

fn hash(digest: &str, password: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    // No digest has a zero byte.
    hash.update(digest.as_bytes());
    hash.update([0]);
    hash.update(password);
    hash.finalize().into()
}
