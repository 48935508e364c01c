//! Traffic of clients while a test changes the Swarm: new connections by the clock
//! through all nodes, and a download of 1 GB on one connection.

use std::sync::OnceLock;
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
            _stays: stays,
        }
    }

    /// Does something meanwhile: what came of it, and of the load, and the packets that the cables lost. The
    /// download arrives intact.
    pub(crate) fn during<T>(
        &self,
        what: &str,
        acts: impl FnOnce() -> Result<T>,
    ) -> (T, Report, u64) {
        let through = self.swarm.node("node2").unwrap().addr;
        let length = slow::fewer(GIGABYTE);
        let (mut lasted, begin) = (Duration::ZERO, Instant::now());
        let acts = || {
            // Both are under way.
            std::thread::sleep(Duration::from_millis(300));
            let done = acts();
            lasted = begin.elapsed();
            done
        };
        let beside = || {
            let pace = (length, BYTES_PER_SECOND);
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
        static EXPECTED: OnceLock<String> = OnceLock::new();
        let expected = EXPECTED.get_or_init(|| pattern::sha256(length));
        assert_eq!((bulk.bytes, &bulk.sha256), (length, expected), "{what}");
        (done, report, lost)
    }

    /// Does something under load as [`Self::during`] does, and no request fails, or loses its first packet.
    pub(crate) fn unharmed<T>(&self, what: &str, acts: impl FnOnce() -> Result<T>) -> (T, Report) {
        let (done, report, lost) = self.during(what, acts);
        assert_unharmed(what, &report, lost);
        (done, report)
    }
}
