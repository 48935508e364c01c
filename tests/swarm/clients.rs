//! Traffic of clients while a test changes the Swarm: new connections by the clock
//! through all nodes, and a download of 1 GB on one connection.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use harness::acceptance;
use harness::cable_losses;
use harness::guards::Service;
use harness::pattern;
use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::traffic::load::{Load, Report};

use crate::kernel::drops;
use crate::tools::{assert_unharmed, load, served};

const GIGABYTE: u64 = 1 << 30;
/// It lasts 40 s, unless what happens meanwhile is over sooner. Twice the rate would take half of a machine with two
/// cores, and what is measured beside it would be the machine.
const BYTES_PER_SECOND: u64 = 25_000_000;

/// Clients of a service, and of a task that stays where it is.
pub(crate) struct Clients<'a> {
    swarm: &'a Swarm,
    /// Of the service that is under load.
    pub(crate) load: Load,
    /// The port of the download. Its task is on node1, and its way there leads through node2.
    bulk: u16,
    /// Bytes of the download, and of it in a second at most, on a machine that is not slow.
    download: (u64, u64),
    _stays: Service<'a>,
}

impl<'a> Clients<'a> {
    /// Clients of what is published on `port`. The task that stays is published on another one.
    pub(crate) fn of(swarm: &'a Swarm, port: u16) -> Self {
        let bulk = port + 1000;
        let spec = ServiceSpec::named(&format!("stays-{bulk}"))
            .on_node("node1")
            .publish(&format!("{bulk}:80"));
        let (stays, _) = served(swarm, &spec, 1);
        Self {
            swarm,
            load: load(swarm, port),
            bulk,
            download: (GIGABYTE, BYTES_PER_SECOND),
            _stays: stays,
        }
    }

    /// As many clients, with less load on a slow machine ([`slow::lighter`]): for tests beside which many containers start.
    pub(crate) fn lighter(mut self) -> Self {
        let (bytes, per_second) = self.download;
        self.download = (slow::lighter(bytes), slow::lighter(per_second));
        self.load.rate = slow::lighter(self.load.rate);
        self
    }

    /// Does something meanwhile: what came of it, and of the load, and the packets that the cables lost. The
    /// download arrives intact.
    pub(crate) fn during<T>(
        &self,
        what: &str,
        acts: impl FnOnce() -> Result<T>,
    ) -> (T, Report, u64) {
        let through = self.swarm.node("node2").unwrap().addr;
        let (bytes, per_second) = self.download;
        let length = slow::fewer(bytes);
        let (mut lasted, begin) = (Duration::ZERO, Instant::now());
        let acts = || {
            // Both are under way.
            std::thread::sleep(Duration::from_millis(300));
            let done = acts();
            lasted = begin.elapsed();
            done
        };
        let beside = || {
            let pace = (length, per_second);
            self.swarm
                .client
                .download_during((through, self.bulk), pace, acts)
        };
        let client = &self.swarm.client;
        let ((done, bulk), report, lost) =
            acceptance::during(self.swarm, client, &self.load, beside);
        println!(
            "{what}: took {lasted:?}; {length} bytes beside it took {:?}",
            begin.elapsed()
        );
        println!(
            "{what}: dropped {:?}, lost by the wires {:?}",
            drops(&self.swarm.nodes),
            cable_losses::by_cables(self.swarm).unwrap()
        );
        let expected = (length, digest(length));
        assert_eq!((bulk.bytes, bulk.sha256), expected, "{what}");
        (done, report, lost)
    }

    /// Does something under load as [`Self::during`] does, and no request fails, or loses its first packet.
    pub(crate) fn unharmed<T>(&self, what: &str, acts: impl FnOnce() -> Result<T>) -> (T, Report) {
        let (done, report, lost) = self.during(what, acts);
        assert_unharmed(what, &report, lost);
        (done, report)
    }
}

/// The digest of a download of this length, computed once: of a gigabyte that takes seconds.
fn digest(length: u64) -> String {
    static DIGESTS: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());
    let mut digests = DIGESTS.lock().unwrap_or_else(PoisonError::into_inner);
    let digest = digests.entry(length);
    digest.or_insert_with(|| pattern::sha256(length)).clone()
}
