//! Kinds of failed calls: refused, no answer, unreachable. A test asserts the kind that is right.

use std::io;

use anyhow::{Error, Result};
use tokio::time::error::Elapsed;

/// The connection was refused: nothing listens on the port.
#[must_use]
pub fn is_refused(error: &Error) -> bool {
    io_kinds(error).any(|kind| kind == io::ErrorKind::ConnectionRefused)
}

/// Nobody said anything while it was waited for.
#[must_use]
pub fn is_silence(error: &Error) -> bool {
    error.chain().any(|cause| cause.is::<Elapsed>())
}

/// Nobody serves there: the kernel refused it, or Docker's daemon, which listens on published ports for the
/// kernel's sake, let it wait. Not that somebody answered and broke off.
#[must_use]
pub fn is_no_answer(error: &Error) -> bool {
    is_refused(error) || is_silence(error)
}

/// There is no way to it from here.
#[must_use]
pub fn is_unreachable(error: &Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable};
    let none = |kind| {
        matches!(
            kind,
            AddrNotAvailable | HostUnreachable | NetworkUnreachable
        )
    };
    io_kinds(error).any(none)
}

fn io_kinds(error: &Error) -> impl Iterator<Item = io::ErrorKind> {
    let error_chain = error.chain();
    error_chain.filter_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()))
}

/// Fails the test unless the call failed in this way.
///
/// # Panics
/// Where it did not.
#[track_caller]
pub fn assert_failed<T: std::fmt::Debug>(result: &Result<T>, how: fn(&Error) -> bool, what: &str) {
    let right = result.as_ref().err().is_some_and(how);
    assert!(right, "{what}: {result:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn each_way_of_failing_is_told_from_the_others() {
        let of = |kind: io::ErrorKind| -> Error {
            let result: Result<()> = Err(io::Error::from(kind).into());
            result.context("connecting to somebody").unwrap_err()
        };
        let refused = of(io::ErrorKind::ConnectionRefused);
        let unreachable = of(io::ErrorKind::NetworkUnreachable);
        let reset = of(io::ErrorKind::ConnectionReset);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let never = std::future::pending::<()>();
        let silence = runtime
            .block_on(async { tokio::time::timeout(std::time::Duration::ZERO, never).await });
        let silence = silence.context("no end").unwrap_err();
        let ways = [&refused, &silence, &unreachable, &reset]
            .map(|error| (is_refused(error), is_silence(error), is_unreachable(error)));
        let none = (false, false, false);
        let expected = [
            (true, false, false),
            (false, true, false),
            (false, false, true),
            none,
        ];
        assert_eq!(ways, expected);
    }
}
