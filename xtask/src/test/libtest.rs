//! Outcomes of single tests in a log of `cargo test`. Pure: the log is a text.

/// Outcome of one test in one log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The test program and the test, as in `netns: client::asks_each_node`.
    pub(super) test: String,
    pub(super) passed: bool,
}

/// One test program's part of a log.
struct Program<'a> {
    name: &'a str,
    /// Tests that began, in their order, with their result, if it stands in the same line.
    tests: Vec<(&'a str, Option<bool>)>,
    /// Without a summary the program died.
    has_summary: bool,
}

/// The outcomes that a log of `cargo test` tells. A program that died has failed as a whole, and
/// with it the tests that had begun and not ended.
pub(super) fn outcomes(log: &str) -> Vec<Outcome> {
    let mut programs: Vec<Program<'_>> = Vec::new();
    let mut in_failures = false;
    for line in log.lines() {
        if let Some(name) = program(line) {
            programs.push(Program {
                name,
                tests: Vec::new(),
                has_summary: false,
            });
            continue;
        }
        let Some(current) = programs.last_mut() else {
            continue;
        };
        if let Some(failed) = line.strip_prefix("    ").filter(|_| in_failures) {
            current.settle(failed);
            continue;
        }
        in_failures = line == "failures:";
        if line.starts_with("test result: ") {
            current.has_summary = true;
        } else if let Some(test) = test(line) {
            current.tests.extend(test);
        }
    }
    programs.iter().flat_map(Program::outcomes).collect()
}

impl Program<'_> {
    /// The list of failures at the end is certain, even where other output ran into a test's line.
    fn settle(&mut self, failed: &str) {
        for (name, passed) in &mut self.tests {
            if *name == failed {
                *passed = Some(false);
            }
        }
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let of = |test: &str, passed| Outcome {
            test: format!("{}: {test}", self.name),
            passed,
        };
        let mut all: Vec<Outcome> = self
            .tests
            .iter()
            .map(|(name, passed)| of(name, passed.unwrap_or(self.has_summary)))
            .collect();
        if !self.has_summary {
            all.push(of("(the program died)", false));
        }
        all
    }
}

/// The name in cargo's line `Running tests/netns/main.rs (target/debug/deps/netns-0123456789abcdef)`.
fn program(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(documented) = line.strip_prefix("Doc-tests ") {
        return Some(documented);
    }
    let (_, path) = line.strip_prefix("Running ")?.rsplit_once(" (")?;
    let file = path.strip_suffix(')')?.rsplit('/').next()?;
    file.rsplit_once('-').map(|(name, _)| name)
}

/// The test in a line `test NAME ... RESULT`; within it nothing, if it is one that is left out.
fn test(line: &str) -> Option<Option<(&str, Option<bool>)>> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    if result.starts_with("ignored") {
        return Some(None);
    }
    let passed = match result {
        _ if result.ends_with("FAILED") => Some(false),
        _ if result.ends_with("ok") => Some(true),
        _ => None,
    };
    Some(Some((name, passed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
   Compiling lb-tests v0.1.0 (/srv/tests)
    Finished `test` profile [unoptimized + debuginfo] target(s) in 0.10s
     Running unittests harness/lib.rs (target/debug/deps/harness-0123456789abcdef)

running 3 tests
test wait::tests::it_waits ... ok
test wait::tests::it_panics - should panic ... ok
test wait::tests::left_out ... ignored, no reason

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/netns/main.rs (target/debug/deps/netns-fedcba9876543210)

running 3 tests
test client::asks ... FAILED
test client::tells ... a line of a child process
ok
test client::hears ... another one
FAILED
test client::hears has been running for over 60 seconds

failures:

---- client::asks stdout ----
    client::tells
assertion failed

failures:
    client::asks
    client::hears

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

error: test failed, to rerun pass `-p lb-tests --test netns`
";

    fn read(log: &str) -> Vec<(String, bool)> {
        let outcomes = outcomes(log).into_iter();
        outcomes.map(|of| (of.test, of.passed)).collect()
    }

    fn named(list: &[(&str, bool)]) -> Vec<(String, bool)> {
        list.iter()
            .map(|(name, passed)| ((*name).to_owned(), *passed))
            .collect()
    }

    #[test]
    fn a_log_tells_the_outcome_of_each_test_of_each_program() {
        assert_eq!(
            read(LOG),
            named(&[
                ("harness: wait::tests::it_waits", true),
                ("harness: wait::tests::it_panics", true),
                ("netns: client::asks", false),
                ("netns: client::tells", true),
                ("netns: client::hears", false),
            ])
        );
    }

    #[test]
    fn a_program_that_dies_has_failed_and_what_it_was_at_too() {
        let log = "     Running tests/a.rs (target/debug/deps/a-00)\n\
                   test one ... ok\ntest two ... malloc(): corrupted\n\
                   error: test failed, to rerun pass `--test a`\n\
                   \x20    Running tests/b.rs (target/debug/deps/b-00)\ntest three ... ok\n\
                   test result: ok. 1 passed\n";
        assert_eq!(
            read(log),
            named(&[
                ("a: one", true),
                ("a: two", false),
                ("a: (the program died)", false),
                ("b: three", true),
            ])
        );
        assert_eq!(read("error: could not compile `x`\n"), []);
    }
}
