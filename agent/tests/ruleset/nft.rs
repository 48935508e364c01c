//! `nft`, by which others change rules.

use crate::namespace::run;
use std::process::Command;

/// Has `nft`, as others do, change the namespace's rules. False where there is no `nft`, which is said.
pub(crate) fn nft(script: &str) -> bool {
    if let Err(error) = Command::new("nft").arg("--version").output() {
        lb_support::not_tested("rules of others beside ours", &format!("nft: {error}"));
        return false;
    }
    run("nft", &[script]);
    true
}
