//! Waiting for a condition, with an end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::slow;

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `condition` again and again until it yields a value. An error of it ends the
/// waiting at once; so does the timeout, whose error says `what` did not come. A slow machine
/// is given more time ([`slow`]).
pub fn until<T>(
    what: &str,
    timeout: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let timeout = slow::longer(timeout);
    let deadline = Instant::now() + timeout;
    loop {
        let asked = Instant::now();
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {timeout:?} for {what}, in vain");
        }
        // The awaited work needs at least as much of the machine as the polling.
        std::thread::sleep(slow::longer(PAUSE).max(asked.elapsed()));
    }
}
