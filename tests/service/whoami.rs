//! State that all connections of the service share: identity and health.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use harness::who::{Datagram, Who};

/// The service as its clients see it.
pub(crate) struct Whoami {
    hostname: String,
    task: Option<String>,
    node: Option<String>,
    version: Option<String>,
    since_ms: u64,
    healthy: AtomicBool,
    datagrams: Mutex<VecDeque<Datagram>>,
}

/// Datagrams that are kept: the last ones.
const AFFINITY: usize = 1000;

impl Whoami {
    pub(crate) fn from_environment() -> Arc<Self> {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since_ms = since.unwrap_or_default().as_millis();
        Arc::new(Self {
            hostname: hostname.trim().to_owned(),
            task: std::env::var("TASK").ok(),
            node: std::env::var("NODE").ok(),
            version: std::env::var("VERSION").ok(),
            since_ms: u64::try_from(since_ms).unwrap_or_default(),
            healthy: AtomicBool::new(true),
            datagrams: Mutex::default(),
        })
    }

    /// The answer to one flow, as a line of JSON.
    pub(crate) fn line(&self, peer: SocketAddr, local: SocketAddr) -> String {
        json_line(&Who {
            hostname: self.hostname.clone(),
            peer: plain(peer),
            local: plain(local),
            task: self.task.clone(),
            node: self.node.clone(),
            version: self.version.clone(),
            since_ms: self.since_ms,
        })
    }

    /// Keeps what a datagram said, and between whom.
    pub(crate) fn note(&self, peer: SocketAddr, local: SocketAddr, says: &str) {
        let mut kept = self
            .datagrams
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= AFFINITY {
            kept.pop_front();
        }
        kept.push_back(Datagram {
            peer: plain(peer),
            local: plain(local),
            says: says.to_owned(),
        });
    }

    /// The datagrams that came last, as a line of JSON.
    pub(crate) fn datagrams(&self) -> String {
        let kept = self
            .datagrams
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        json_line(&*kept)
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    pub(crate) fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Relaxed);
    }
}

pub(crate) fn json_line(value: &impl serde::Serialize) -> String {
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

/// An IPv4 peer of a socket for both families comes as `::ffff:a.b.c.d`.
pub(crate) fn plain(addr: SocketAddr) -> SocketAddr {
    let ip: IpAddr = addr.ip().to_canonical();
    SocketAddr::new(ip, addr.port())
}
