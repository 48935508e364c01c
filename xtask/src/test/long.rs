//! Tests that take minutes and are left out where all suites run, as in CI.

use super::Suite;

/// A test of the suite swarm that takes minutes.
pub(super) struct Test {
    /// Its name, by which the suite's program leaves it out.
    pub(super) name: &'static str,
    /// A test that runs in CI and asserts a part of it.
    short: &'static str,
}

/// All such tests. They run where the suite is asked for by name, in guests, and with `--repeat`.
const LONG: [Test; 1] = [Test {
    name: "no_request_fails_while_tasks_and_agents_change_on_nodes_without_ipv6",
    short: "services_without_ports_answer_by_host_through_every_node_from_everywhere",
}];

/// The tests of `suite` that are left out in a run of the suites `asked`.
pub(super) fn left_out(asked: Suite, suite: Suite) -> &'static [Test] {
    match (asked, suite) {
        (Suite::All, Suite::Swarm) => &LONG,
        _ => &[],
    }
}

impl Test {
    /// The note on its absence.
    pub(super) fn note(&self) -> String {
        format!(
            "Left out: test {}, because it takes two minutes. Run `cargo xtask test --suite swarm`. A part of it is asserted by {}.",
            self.name, self.short
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A name that no test has would leave out none, and the note would be wrong.
    #[test]
    fn each_test_that_is_named_is_there() {
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/swarm");
        let read = |file: &str| std::fs::read_to_string(suite.join(file)).unwrap();
        let source = read("router.rs") + &read("router/updates.rs");
        for name in LONG.iter().flat_map(|test| [test.name, test.short]) {
            let head = format!("#[test]\nfn {name}()");
            assert!(source.contains(&head), "{name}");
        }
    }

    #[test]
    fn who_asks_for_the_suite_gets_all_of_it() {
        assert_eq!(left_out(Suite::All, Suite::Swarm).len(), LONG.len());
        assert!(left_out(Suite::Swarm, Suite::Swarm).is_empty());
        assert!(left_out(Suite::All, Suite::Attack).is_empty());
    }
}
