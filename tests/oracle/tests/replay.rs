//! The oracles on what the fuzzer once found worth keeping, and on some bytes of chance: the
//! part of fuzzing that every run of the tests repeats.

use lb_oracle::{decision, labels, parser, protocol, routes};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;

/// Runs the oracle on every seed of a target; says which one broke it.
fn replay(target: &str, oracle: fn(&[u8])) -> std::io::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&seeds)? {
        let path = entry?.path();
        let bytes = std::fs::read(&path)?;
        let held = std::panic::catch_unwind(|| oracle(&bytes));
        assert!(held.is_ok(), "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "no seeds in {}", seeds.display());
    Ok(())
}

#[test]
fn seeds_of_the_parser_hold() -> std::io::Result<()> {
    replay("parser", parser)
}

#[test]
fn seeds_of_the_labels_hold() -> std::io::Result<()> {
    replay("labels", labels)
}

#[test]
fn seeds_of_the_routes_hold() -> std::io::Result<()> {
    replay("routes", routes)
}

#[test]
fn seeds_of_the_decision_hold() -> std::io::Result<()> {
    replay("decision", decision)
}

#[test]
fn seeds_of_the_protocol_hold() -> std::io::Result<()> {
    replay("protocol", protocol)
}

proptest! {
    #[test]
    fn chance_holds_for_the_protocol(bytes in vec(any::<u8>(), 0..300)) {
        protocol(&bytes);
    }

    #[test]
    fn chance_holds_for_the_routes(bytes in vec(any::<u8>(), 0..800)) {
        routes(&bytes);
    }

    #[test]
    fn chance_holds_for_the_parser(bytes in vec(any::<u8>(), 0..300)) {
        parser(&bytes);
    }

    #[test]
    fn chance_holds_for_the_labels(bytes in vec(any::<u8>(), 0..1_500)) {
        labels(&bytes);
    }

    #[test]
    fn chance_holds_for_the_decision(bytes in vec(any::<u8>(), 0..1_500)) {
        decision(&bytes);
    }
}
