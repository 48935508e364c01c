//! The limit on open files: each connection is one. Containers and services mostly begin with 1,024 of them, the soft limit of
//! old (for programs that use `select`), and may have many more, up to the hard limit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, for a router that takes so many connections of clients.
pub(crate) fn raise(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit on open files cannot be raised");
    }
    let limit = getrlimit(Resource::Nofile).current;
    if suffices(limit, connections) {
        tracing::info!(limit = number(limit), connections, "open files");
    } else {
        tracing::warn!(
            limit = number(limit),
            connections,
            "fewer files may be open than so many clients and their requests need: raise the hard limit (ulimits, LimitNOFILE)"
        );
    }
}

/// Are so many files enough where each client's connection has a request at a task?
fn suffices(limit: Option<u64>, connections: usize) -> bool {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX);
    limit.is_none_or(|limit| limit >= needed.saturating_mul(2))
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
        raise(1);
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }

    #[test]
    fn a_client_and_its_request_are_two_files() {
        assert!(suffices(Some(40_000), 20_000) && suffices(None, usize::MAX));
        assert!(!suffices(Some(39_999), 20_000));
    }
}
