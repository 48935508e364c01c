//! Open connections by the node of their certificate: one each, closed while unused.

use crate::certs::{Subject, expires};
use rustls::pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Time limit of a connection without an admitted call: long enough to read a refusal.
const UNUSED: Duration = Duration::from_secs(10);
/// Limit on connections of nodes that are not in this Swarm (any more), which only get a refusal.
const OTHERS: usize = 16;

/// The peer of a connection.
#[derive(Clone, Debug)]
pub(in crate::sync) struct Caller {
    /// Subject of its certificate.
    pub(in crate::sync) subject: Subject,
    /// Source address of the connection.
    pub(in crate::sync) from: IpAddr,
    /// End of its certificate's validity.
    pub(in crate::sync) expires: SystemTime,
    used: Arc<Mutex<Used>>,
}

/// Use of a connection.
#[derive(Debug)]
struct Used {
    calls: usize,
    last: Instant,
}

/// An admitted call; it ends when this is dropped.
pub(in crate::sync) struct CallGuard(Arc<Mutex<Used>>);

impl Caller {
    /// The peer at `from` with the certificate `chain`.
    pub(super) fn of(from: IpAddr, chain: &[CertificateDer<'_>]) -> Option<Self> {
        let used = Used {
            calls: 0,
            last: Instant::now(),
        };
        Some(Self {
            subject: Subject::of(chain)?,
            from,
            expires: expires(chain)?,
            used: Arc::new(Mutex::new(used)),
        })
    }

    /// Begins an admitted call.
    pub(in crate::sync) fn begins(&self) -> CallGuard {
        lock(&self.used).calls += 1;
        CallGuard(self.used.clone())
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let mut used = lock(&self.0);
        used.calls = used.calls.saturating_sub(1);
        used.last = Instant::now();
    }
}

/// Swarm and node of a certificate.
type Name = (String, String);

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<BTreeMap<Name, Open>>);

#[derive(Debug)]
struct Open {
    member: bool,
    used: Arc<Mutex<Used>>,
    /// Dropping it closes the connection.
    _stays: oneshot::Sender<()>,
}

impl Connections {
    /// Registers a connection of `caller` and closes its older one; `None` if it is no `member` and there are
    /// too many of those. The receiver is ready once this connection is to be closed.
    pub(super) fn enter(&self, caller: &Caller, member: bool) -> Option<oneshot::Receiver<()>> {
        let mut open = lock(&self.0);
        let name = (
            caller.subject.cluster.clone(),
            caller.subject.node.to_string(),
        );
        let others = open.values().filter(|open| !open.member).count();
        if !member && others >= OTHERS && !open.contains_key(&name) {
            return None;
        }
        let (stays, ended) = oneshot::channel();
        let next = Open {
            member,
            used: caller.used.clone(),
            _stays: stays,
        };
        open.insert(name, next);
        Some(ended)
    }

    /// Closes connections that are not used.
    pub(super) fn close_unused(&self, now: Instant) {
        lock(&self.0).retain(|_, open| {
            let used = lock(&open.used);
            used.calls > 0 || now.duration_since(used.last) < UNUSED
        });
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oneshot::error::TryRecvError::{Closed, Empty};

    fn caller(node: &str) -> Caller {
        Caller {
            subject: Subject {
                cluster: "c".into(),
                node: node.into(),
                manager: false,
            },
            from: "10.0.0.1".parse().unwrap(),
            expires: SystemTime::now(),
            used: Arc::new(Mutex::new(Used {
                calls: 0,
                last: Instant::now(),
            })),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_has_one_connection_and_uses_it() {
        let connections = Connections::default();
        let mut first = connections.enter(&caller("n"), true).unwrap();
        assert_eq!(first.try_recv(), Err(Empty));
        let used = caller("n");
        let mut second = connections.enter(&used, true).unwrap();
        assert_eq!(first.try_recv(), Err(Closed), "the older one ends");
        let call = used.begins();
        let mut idle = connections.enter(&caller("m"), true).unwrap();
        tokio::time::advance(UNUSED).await;
        connections.close_unused(Instant::now());
        assert_eq!(
            (second.try_recv(), idle.try_recv()),
            (Err(Empty), Err(Closed))
        );
        drop(call);
        connections.close_unused(Instant::now());
        assert_eq!(second.try_recv(), Err(Empty), "its time begins now");
        tokio::time::advance(UNUSED).await;
        connections.close_unused(Instant::now());
        assert_eq!(second.try_recv(), Err(Closed));
    }

    #[tokio::test]
    async fn those_who_are_no_members_are_few_and_keep_no_member_out() {
        let connections = Connections::default();
        let enter = |node: usize, member| connections.enter(&caller(&format!("n{node}")), member);
        let inside: Vec<_> = (0..100).filter_map(|node| enter(node, false)).collect();
        assert_eq!(inside.len(), OTHERS);
        assert!(enter(0, false).is_some(), "again");
        assert!(enter(1_000, true).is_some());
    }
}
