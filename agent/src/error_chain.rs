//! One message from an error and the chain of its sources.

use std::error::Error;

/// The error and its sources, joined by colons. A source that the message names
/// already is not said twice.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !message.contains(&words) {
            message.push_str(": ");
            message.push_str(&words);
        }
        next = cause.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("the port is closed")]
        Closed(#[source] std::io::Error),
        #[error("the port is closed ({0}): open it")]
        Open(#[source] std::io::Error),
    }

    #[test]
    fn each_cause_is_said_once() {
        let locked = || std::io::Error::other("locked");
        assert_eq!(
            error_chain(&Failure::Closed(locked())),
            "the port is closed: locked"
        );
        assert_eq!(
            error_chain(&Failure::Open(locked())),
            "the port is closed (locked): open it"
        );
    }
}
