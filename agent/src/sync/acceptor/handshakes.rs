//! TLS handshakes in progress, by source: a limited number each. A new one replaces the oldest of
//! its source, so a peer that connects and sends nothing delays no other source.

use lb_core::rate::Bucket;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

/// Handshakes of one source at a time.
const PER_SOURCE: usize = 16;
/// Handshakes of all sources at a time.
const IN_ALL: usize = 256;
/// Rate at which one source may begin handshakes.
const RATE: Bucket = Bucket::new(100, Duration::from_millis(20));

/// Source of a handshake: a node's address, or `None` for every stranger.
pub(super) type Source = Option<IpAddr>;

/// All handshakes in progress; dropping this ends them.
pub(super) struct Handshakes {
    began: Instant,
    tasks: JoinSet<()>,
    sources: BTreeMap<Source, OfSource>,
}

/// Handshakes of one source.
struct OfSource {
    begins: Bucket,
    underway: VecDeque<AbortHandle>,
}

impl Handshakes {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            tasks: JoinSet::new(),
            sources: BTreeMap::new(),
        }
    }

    /// Begins `handshake` from `source`. Aborts the source's oldest one if it has too many; does not begin
    /// if the source exceeds its rate.
    pub(super) fn take(
        &mut self,
        source: Source,
        handshake: impl Future<Output = ()> + Send + 'static,
    ) {
        let now = self.began.elapsed();
        let of = self.sources.entry(source).or_insert_with(|| OfSource {
            begins: RATE,
            underway: VecDeque::new(),
        });
        if !of.begins.take(1, now) {
            return;
        }
        of.underway.push_back(self.tasks.spawn(handshake));
        if of.underway.len() > PER_SOURCE
            && let Some(oldest) = of.underway.pop_front()
        {
            oldest.abort();
        }
        if self.tasks.len() > IN_ALL {
            let fullest = self.sources.values_mut();
            let fullest = fullest.max_by_key(|of| of.underway.len());
            if let Some(oldest) = fullest.and_then(|of| of.underway.pop_front()) {
                oldest.abort();
            }
        }
    }

    /// Waits until a handshake is over, and forgets it; does not return while there is none.
    pub(super) async fn done(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return std::future::pending().await,
        };
        self.forget(id);
    }

    fn forget(&mut self, id: Id) {
        let now = self.began.elapsed();
        self.sources.retain(|_, of| {
            of.underway.retain(|task| task.id() != id);
            !of.underway.is_empty() || !of.begins.is_full(now)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts those that are under way.
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn silent(count: &Arc<AtomicUsize>) -> impl Future<Output = ()> + use<> {
        count.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(count.clone());
        async move {
            let _counted = counted;
            std::future::pending::<()>().await;
        }
    }

    async fn settle(handshakes: &mut Handshakes) {
        while tokio::time::timeout(Duration::from_millis(20), handshakes.done())
            .await
            .is_ok()
        {}
    }

    #[tokio::test]
    async fn strangers_have_few_handshakes_and_take_none_from_a_node() {
        let mut handshakes = Handshakes::new();
        let (strangers, node) = (Arc::default(), Arc::default());
        handshakes.take(Some("10.0.0.1".parse().unwrap()), silent(&node));
        for _ in 0..5_000 {
            handshakes.take(None, silent(&strangers));
        }
        settle(&mut handshakes).await;
        assert_eq!(strangers.load(Ordering::Relaxed), PER_SOURCE);
        assert_eq!(node.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn all_together_have_their_limit_and_the_fullest_give_way() {
        let mut handshakes = Handshakes::new();
        let (many, one) = (Arc::default(), Arc::default());
        handshakes.take(None, silent(&one));
        for host in 0..100 {
            for _ in 0..PER_SOURCE {
                handshakes.take(Some(IpAddr::from([10, 0, 0, host])), silent(&many));
            }
        }
        settle(&mut handshakes).await;
        assert_eq!(many.load(Ordering::Relaxed), IN_ALL - 1);
        assert_eq!(one.load(Ordering::Relaxed), 1);
    }
}
