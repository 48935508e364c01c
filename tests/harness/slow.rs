//! Factor by which this machine is slower than those that the tests were written on.
//!
//! An emulated machine does everything, and the same things, some ten times later. So that no
//! test has to know, `SWARMLB_SLOW` says it once: what waits waits so many times longer, what
//! makes load makes so many times less. Nothing is expected less strictly but time.

use std::sync::OnceLock;
use std::time::Duration;

/// `$SWARMLB_SLOW`, a whole number; 1 where it is not set.
///
/// # Panics
/// Where it is set to something else: a misread factor would look like failing tests.
#[must_use]
#[expect(clippy::panic, reason = "fails the test that asks")]
pub fn factor() -> u32 {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    *FACTOR.get_or_init(|| match std::env::var("SWARMLB_SLOW") {
        Err(_) => 1,
        Ok(text) => match text.parse() {
            Ok(factor) if factor > 0 => factor,
            _ => panic!("SWARMLB_SLOW={text} is no factor: give a whole number"),
        },
    })
}

/// A time, as long as it is here.
#[must_use]
pub fn longer(time: Duration) -> Duration {
    time * factor()
}

/// By what a slow machine has less beside a test that starts much at once.
const LIGHTER: u32 = 5;

/// A number of things done, or done in a second, before [`fewer`] makes it less, for a test that has much else to do on the
/// same machine meanwhile: the whole number on a machine that is not slow, a fifth of it on a slow one. There the rest of the
/// test does not get less, only later.
#[must_use]
pub fn lighter<N>(number: N) -> N
where
    N: std::ops::Div<Output = N> + From<u32> + Ord,
{
    match factor() {
        1 => number,
        _ => (number / N::from(LIGHTER)).max(N::from(1)),
    }
}

/// A number of things done, or done in a second, as small as it is here; never 0.
#[must_use]
pub fn fewer<N>(number: N) -> N
where
    N: std::ops::Div<Output = N> + From<u32> + Ord,
{
    (number / N::from(factor())).max(N::from(1))
}
