//! One sentence for people, out of an error and what caused it.

use std::error::Error;

/// The error and its causes, joined by colons. A cause that the sentence names
/// already is not said twice.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !sentence.contains(&words) {
            sentence.push_str(": ");
            sentence.push_str(&words);
        }
        next = cause.source();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("the door is shut")]
        Shut(#[source] std::io::Error),
        #[error("the door is shut ({0}): knock")]
        Knock(#[source] std::io::Error),
    }

    #[test]
    fn each_cause_is_said_once() {
        let locked = || std::io::Error::other("locked");
        assert_eq!(causes(&Failure::Shut(locked())), "the door is shut: locked");
        assert_eq!(
            causes(&Failure::Knock(locked())),
            "the door is shut (locked): knock"
        );
    }
}
