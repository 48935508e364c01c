//! Instructions that the verifier walks through: the kernel's limit is far, but growth is noticed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lb_core::backend::ebpf::HookKind;

use crate::lab::lab;
use crate::world::World;

/// `program instructions`, one a line; `#` begins a comment.
const BASELINE: &str = include_str!("verifier.txt");

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the numbers, for whoever runs the test"
)]
fn programs_stay_within_their_verifier_budget() {
    let baseline: BTreeMap<&str, u32> = BASELINE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, count) = line.split_once(' ').unwrap();
            (name, count.parse().unwrap())
        })
        .collect();
    lab(|lab| {
        let world = World::blank(lab, 1);
        let mut now = String::new();
        let mut grown = Vec::new();
        for kind in HookKind::ALL {
            let name = kind.as_str();
            let count = world
                .verified_instructions(kind)
                .expect("told since Linux 5.16");
            writeln!(now, "{name} {count}").unwrap();
            // More than a fifth above the baseline, in whole numbers.
            if baseline
                .get(name)
                .is_none_or(|before| count * 5 > before * 6)
            {
                grown.push(name);
            }
        }
        println!("instructions verified:\n{now}");
        assert!(
            grown.is_empty(),
            "{grown:?} grew by more than a fifth; if that is meant, verifier.txt shall say:\n{now}"
        );
    });
}
