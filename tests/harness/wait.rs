//! Waiting for a condition, with an end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const PAUSE: Duration = Duration::from_millis(20);

/// How many times slower than a machine of its own this one is, by `$SWARMLB_SLOW`: an
/// emulated one needs its time.
#[must_use]
pub fn slowness() -> u32 {
    let said = std::env::var("SWARMLB_SLOW").ok();
    said.and_then(|factor| factor.parse().ok())
        .unwrap_or(1)
        .max(1)
}

/// Asks `condition` again and again until it yields a value. An error of it ends the
/// waiting at once; so does the timeout (times [`slowness`]), whose error says `what` did
/// not come.
pub fn until<T>(
    what: &str,
    timeout: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let timeout = timeout * slowness();
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {timeout:?} for {what}, in vain");
        }
        // Asking costs the machine more, too.
        std::thread::sleep(PAUSE * slowness());
    }
}
