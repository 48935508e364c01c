//! Passwords that were compared, so that a client does not pay for each of its requests.
//!
//! A comparison takes as long as its digest says: bcrypt takes 50 ms and more of a processor. It is done on threads of its
//! own, of which there are few, and what was right is remembered for a while.

use crate::clock::Seconds;
use crate::downstream::network;
use lb_routes::filters::{Credentials, verify};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};

/// How long a password that was right is not compared again.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Passwords that are remembered at a time.
const MOST: usize = 10_000;

/// Comparisons at a time of one worker. Whoever waits for one and is gone has none: guesses that are taken back make no
/// queue.
const AT_A_TIME: usize = 2;
/// Passwords of one client address that are compared, or wait for it: who guesses makes no queue for others.
const OF_ADDRESS: usize = 8;

/// A hash of digest and password.
type Hash = [u8; 32];
/// Whether a password is right, once it was compared. Requests with the same one wait for each other here.
type Guess = Rc<Mutex<Option<bool>>>;

/// Passwords that were right, of one worker.
pub(crate) struct Passwords {
    right: RefCell<HashMap<Hash, Seconds>>,
    guesses: Guesses,
    turns: Arc<Semaphore>,
}

/// Passwords that are compared, or wait for it, by client address.
#[derive(Default)]
struct Guesses(RefCell<HashMap<IpAddr, HashMap<Hash, Guess>>>);

/// A request whose password is compared, or waits for it, until this is dropped.
struct Waiting<'a> {
    guesses: &'a Guesses,
    address: IpAddr,
    hash: Hash,
    guess: Guess,
}

/// Too many other passwords of the same client address are compared, or wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords of one address wait to be compared")]
pub(crate) struct TooManyWait;

impl Default for Passwords {
    fn default() -> Self {
        Self {
            right: RefCell::default(),
            guesses: Guesses::default(),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }
}

impl Passwords {
    /// Is it the name and password of a user? `client`: the address of who says it.
    ///
    /// # Errors
    /// Other passwords of this address have to be compared first, as many as may wait.
    pub(crate) async fn check(
        &self,
        credentials: &Credentials<'_>,
        client: IpAddr,
    ) -> Result<bool, TooManyWait> {
        let is_user = credentials.user().is_some();
        let hash = hash(credentials.digest(), credentials.password());
        if self.remembers(&hash) {
            return Ok(is_user);
        }
        let waiting = self.guesses.begin(network(client), hash);
        let waiting = waiting.ok_or(TooManyWait)?;
        let mut compared = waiting.guess.lock().await;
        let right = match *compared {
            // Another request with the same password was before.
            Some(right) => right,
            None => self.compare(&hash, credentials).await,
        };
        *compared = Some(right);
        Ok(right && is_user)
    }

    /// Compares a password when its turn has come.
    async fn compare(&self, hash: &Hash, credentials: &Credentials<'_>) -> bool {
        let Ok(turn) = self.turns.clone().acquire_owned().await else {
            return false;
        };
        // A client of another address may have had the same password.
        if self.remembers(hash) {
            return true;
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
            self.remember(*hash, Seconds::now());
        }
        right
    }

    fn remembers(&self, hash: &Hash) -> bool {
        let remembered = self.right.borrow().get(hash).copied();
        remembered.is_some_and(|since| !since.is_over(REMEMBERED, Seconds::now()))
    }

    fn remember(&self, hash: Hash, now: Seconds) {
        let mut all = self.right.borrow_mut();
        if all.len() >= MOST {
            all.retain(|_, since| !since.is_over(REMEMBERED, now));
        }
        if all.len() < MOST {
            all.insert(hash, now);
        }
    }
}

impl Guesses {
    /// Takes a password in; `None` if as many others of this address wait as may.
    fn begin(&self, address: IpAddr, hash: Hash) -> Option<Waiting<'_>> {
        let mut all = self.0.borrow_mut();
        let of_address = all.entry(address).or_default();
        if of_address.len() >= OF_ADDRESS && !of_address.contains_key(&hash) {
            return None;
        }
        let guess = Rc::clone(of_address.entry(hash).or_default());
        Some(Waiting {
            guesses: self,
            address,
            hash,
            guess,
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut all = self.guesses.0.borrow_mut();
        let Some(of_address) = all.get_mut(&self.address) else {
            return;
        };
        // Held here and in the map: no other request waits for it.
        if Rc::strong_count(&self.guess) == 2 {
            of_address.remove(&self.hash);
        }
        if of_address.is_empty() {
            all.remove(&self.address);
        }
    }
}

fn hash(digest: &str, password: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    // No digest has a zero byte.
    hash.update(digest.as_bytes());
    hash.update([0]);
    hash.update(password);
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
