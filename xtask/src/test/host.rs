//! The suite `host`: what needs no root, no network and no other kernel.

use std::env;

use anyhow::Result;

use super::step;
use crate::process::{cargo, run, target_dir};
use crate::{setup, tidy};

/// Arguments of `cargo test` for the unit tests of all crates but the laboratory's.
pub(super) const UNIT_TESTS: &[&str] = &[
    "--workspace",
    "--exclude",
    "lb-programs",
    "--exclude",
    "lb-bench-programs",
    "--exclude",
    "lb-tests",
];
/// And those of the laboratory.
pub(super) const HARNESS_TESTS: &[&str] = &["--package", "lb-tests", "--lib", "--bins"];

/// Formatting, lints, dependencies, the repository's rules, unit tests.
pub(super) fn suite() -> Result<()> {
    step("setup of the checks", setup::tests)?;
    step("formatting", || {
        run(cargo().args(["fmt", "--all", "--check"]))
    })?;
    step("lints of the host crates", || {
        let mut clippy = cargo();
        clippy.args([
            "clippy",
            "--locked",
            "--workspace",
            "--exclude",
            "lb-programs",
            "--exclude",
            "lb-bench-programs",
            "--all-targets",
        ]);
        run(clippy.args(["--", "--deny", "warnings"]))
    })?;
    step("lints of the BPF programs", bpf_lints)?;
    step("dependencies", || {
        // Advisories would need a database from the network, which changes under a
        // change that is tested: .github/workflows/advisories.yml looks for them.
        let mut deny = cargo();
        deny.args([
            "deny",
            "--locked",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ]);
        run(&mut deny)
    })?;
    step("rules of the repository", tidy::run_verb)?;
    step("unit tests", || {
        run(cargo().args(["test", "--locked"]).args(UNIT_TESTS))
    })?;
    step("unit tests of the harness", || {
        run(cargo().args(["test", "--locked"]).args(HARNESS_TESTS))
    })
}

/// Clippy for the BPF target, which has no prebuilt `core`.
fn bpf_lints() -> Result<()> {
    let mut clippy = cargo();
    clippy.args([
        "clippy",
        "--locked",
        "--package",
        "lb-programs",
        "--package",
        "lb-bench-programs",
        "--target",
        "bpfel-unknown-none",
    ]);
    // A target directory of its own: other flags for the same crates.
    clippy
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(target_dir().join("bpf-lints"));
    clippy.args(["--", "--deny", "warnings"]);
    let flags = format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH);
    run(clippy
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags))
}
