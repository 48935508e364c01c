//! The limit on open files: each connection is one. Containers and services mostly begin with 1,024 of them, the soft limit of
//! old (for programs that use `select`), and may have many more, up to the hard limit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => tracing::info!(limit = number(wanted.current), "open files"),
        Err(error) => tracing::warn!(
            limit = number(limit.current),
            %error,
            "the limit on open files stays as it is: clients beyond it wait"
        ),
    }
}

fn number(limit: Option<u64>) -> String {
    limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        // Near it, so that no other test of the process is short of files.
        let lower = hard.map_or(1 << 20, |hard| hard - 1);
        let lowered = Rlimit {
            current: Some(lower),
            maximum: hard,
        };
        setrlimit(Resource::Nofile, lowered).unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, Some(lower));
        raise();
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }
}
