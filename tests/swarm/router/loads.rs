//! Requests by all that clients speak, at once, while something is done: nothing fails or is late, and no host is answered by
//! another's service.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use harness::beside::beside;
use harness::guards::Service;
use harness::slow;
use harness::traffic::load::{Load, Report};

use super::protocols::{Asked, Kind, PATIENCE, http2, tls};
use super::site::Site;
use crate::tools::{answered, assert_unharmed, during};

/// Of load, after what was changed.
pub(super) const AFTER: Duration = Duration::from_secs(4);
/// Connections of HTTP/1.1 that are kept, each of which asks eight times a second.
const KEPT: u32 = 12;
/// No request on a kept connection takes so long. A router that asks a task which has gone without a word waits so long for it.
const LATE: Duration = Duration::from_secs(1);

/// What came of all loads but that of kept connections of HTTP/1.1.
pub(super) struct Loads {
    /// New connections for `two.test`.
    pub(super) new: Report,
    /// New connections for `moving.test`.
    pub(super) moved: Report,
    /// Requests for `one.test` by HTTP/2.
    pub(super) http2: Asked,
    /// Calls of gRPC for `calls.one.test`.
    pub(super) calls: Asked,
    /// New connections by TLS for `two.test`.
    pub(super) tls: Asked,
    /// Packets that the laboratory's cables lost meanwhile.
    lost: u64,
}

impl Loads {
    /// The tasks that answered for each host; a host may be there twice.
    pub(super) fn answers(&self) -> Vec<(&'static str, BTreeSet<String>)> {
        vec![
            ("two.test", answered(&self.new)),
            ("moving.test", answered(&self.moved)),
            ("one.test", self.http2.tasks.clone()),
            ("calls.one.test", self.calls.tasks.clone()),
            ("two.test", self.tls.tasks.clone()),
        ]
    }

    /// No more requests on kept connections are late than the cables lost packets, and the client itself may have had no
    /// processor for a while. An emulated machine answers late for reasons of its own.
    fn assert_in_time(&self, what: &str, kept: &Report) {
        let bound = LATE + self.new.behind;
        for (by, late) in [
            ("kept connections", kept.later_than(bound)),
            ("HTTP/2", self.http2.later_than(bound)),
            ("gRPC", self.calls.later_than(bound)),
        ] {
            assert!(
                late <= self.lost || slow::factor() > 1,
                "{what}, {by}: {late} requests took longer than {bound:?}, and the cables lost {}: {:#?}",
                self.lost,
                kept.slow
            );
        }
    }
}

/// Requests for a host, each on a new connection through the next of these nodes.
pub(super) fn new_connections(peers: &[SocketAddr], host: &str, rate: u32) -> Load {
    Load {
        rate,
        host: Some(host.to_owned()),
        timeout: PATIENCE,
        ..Load::new(peers.iter().copied())
    }
}

impl Site<'_> {
    /// Does something under 260 requests a second through these nodes, and new connections by TLS beside them.
    pub(super) fn under_loads<T>(
        &self,
        peers: &[SocketAddr],
        acts: impl FnOnce() -> Result<T>,
    ) -> (T, Loads) {
        let swarm = &self.routed.test.swarm;
        let new = new_connections(peers, "two.test", 100);
        let moved = new_connections(peers, "moving.test", 40);
        let with_tls = || {
            beside(
                |stop| Ok(tls(swarm, peers, "two.test", &self.trusted, stop)),
                acts,
            )
        };
        let calls = ("calls.one.test", Kind::Grpc);
        let with_calls = || beside(|stop| http2(swarm, peers, calls, stop), with_tls);
        let gets = ("one.test", Kind::Get);
        let with_http2 = || beside(|stop| http2(swarm, peers, gets, stop), with_calls);
        let with_moved = || Ok(during(swarm, &swarm.client, &moved, with_http2));
        let (beside_new, new, lost) = during(swarm, &swarm.client, &new, with_moved);
        let ((((done, tls), calls), http2), moved, _) = beside_new;
        let loads = Loads {
            new,
            moved,
            http2,
            calls,
            tls,
            lost,
        };
        (done, loads)
    }

    /// Does something under 360 requests a second through these nodes, and new connections by TLS beside them: nothing
    /// fails, what comes on kept connections is answered in time, and each host is answered by its own service; `moving.test`
    /// by one of the services `moving`. The tasks that answered.
    pub(super) fn unharmed(
        &self,
        what: &str,
        peers: &[SocketAddr],
        moving: &[&Service<'_>],
        acts: impl FnOnce() -> Result<()>,
    ) -> BTreeSet<String> {
        let swarm = &self.routed.test.swarm;
        let kept = Load {
            kept: Some(KEPT),
            ..new_connections(peers, "one.test", 100)
        };
        let before = self.owners(moving);
        let acts = || {
            let done = acts();
            std::thread::sleep(slow::longer(AFTER));
            done
        };
        let with_kept = || Ok(during(swarm, &swarm.client, &kept, acts));
        let (((), kept, lost), loads) = self.under_loads(peers, with_kept);
        assert_unharmed(&format!("{what}, new connections"), &loads.new, loads.lost);
        assert_unharmed(
            &format!("{what}, the moving host"),
            &loads.moved,
            loads.lost,
        );
        assert_unharmed(&format!("{what}, kept connections"), &kept, lost);
        loads.http2.assert_unharmed(&format!("{what}, HTTP/2"));
        loads.calls.assert_unharmed(&format!("{what}, gRPC"));
        let by_tls = format!("{what}, new connections by TLS");
        loads.tls.assert_unharmed(&by_tls);
        loads.assert_in_time(what, &kept);
        let mut answers = loads.answers();
        answers.push(("one.test", answered(&kept)));
        self.assert_own(what, &answers, &before, moving);
        answers.into_iter().flat_map(|(_, tasks)| tasks).collect()
    }
}
