//! Load of an attack: a tenth of the load that swarmlb promises to bear, unless `SWARMLB_ATTACK=full`
//! asks for all of it; in emulated guests a tenth again.

use harness::slow;

/// A number of packets, messages or connections.
pub(crate) fn load(full: u32) -> u32 {
    let asked = std::env::var("SWARMLB_ATTACK").is_ok_and(|how| how == "full");
    slow::fewer(if asked { full } else { full / 10 })
}
