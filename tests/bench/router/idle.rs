//! What connections need that do nothing.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use harness::netns::Netns;

use super::kept::Kept;
use super::process::Process;
use super::proxies::Proxy;

/// How long connections have waited when memory is read: a proxy may give buffers back by then.
const WAITED: Duration = Duration::from_secs(4);

/// KiB of resident memory for a connection that has had an answer and waits.
///
/// The first tenth of the connections does not count: with it comes what a program needs once.
pub(super) fn memory(
    netns: &Netns,
    proxy: Proxy,
    process: &Process,
    connections: u32,
) -> Result<f64> {
    let [http, _] = proxy.ports();
    let open = |count: u32| {
        let one = || -> Result<Kept> {
            let mut kept = Kept::open(http)?;
            kept.ask()?;
            Ok(kept)
        };
        netns.run(|| (0..count).map(|_| one()).collect::<Result<Vec<Kept>>>())?
    };
    let first = open(connections / 10)?;
    sleep(WAITED);
    let before = process.resident_kib()?;
    let counted = open(connections)?;
    sleep(WAITED);
    let after = process.resident_kib()?;
    drop((first, counted));
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let grown = after.saturating_sub(before) as f64;
    Ok(grown / f64::from(connections))
}
