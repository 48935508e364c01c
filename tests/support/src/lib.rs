//! The one rule for tests that cannot run where they are: whoever runs them is told why, and in CI, where nobody
//! reads what passes, the test fails. All suites and `cargo xtask test` go by it.

use std::env;

/// Is this CI? So says the variable `CI`, if it is anything but nothing, `0` or `false`.
#[must_use]
pub fn in_ci() -> bool {
    says_ci(
        env::var_os("CI")
            .as_deref()
            .map(|value| value.to_string_lossy())
            .as_deref(),
    )
}

fn says_ci(value: Option<&str>) -> bool {
    !matches!(value, None | Some("" | "0" | "false"))
}

/// Is this process root?
#[must_use]
pub fn is_root() -> bool {
    // The owner of a process's own directory in /proc is its effective user.
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Says that `what` is not tested here, and why.
///
/// # Panics
/// In CI.
#[track_caller]
#[expect(
    clippy::panic,
    clippy::print_stderr,
    reason = "speaks to whoever runs the tests"
)]
pub fn not_tested(what: &str, why: &str) {
    if in_ci() {
        panic!("{what} cannot be tested, which in CI is a failure: {why}");
    }
    eprintln!("NOT TESTED: {what}: {why}");
}

/// Whether `what`, which needs root, can be tested here.
///
/// # Panics
/// In CI, without root.
#[must_use]
#[track_caller]
pub fn rooted(what: &str) -> bool {
    let root = is_root();
    if !root {
        not_tested(
            what,
            "it makes network namespaces, which needs root: run it as root",
        );
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_is_what_is_set_to_anything_but_no() {
        for yes in ["true", "1", "yes", "TRUE", "woodpecker"] {
            assert!(says_ci(Some(yes)), "{yes}");
        }
        for no in [None, Some(""), Some("0"), Some("false")] {
            assert!(!says_ci(no), "{no:?}");
        }
    }
}
