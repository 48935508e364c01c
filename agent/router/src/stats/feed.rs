//! What an agent is told: at first all that was counted, then what has changed, and never much at once.

use super::Sums;
use lb_router_wire::stats::{ROUTES, Stats};

/// Messages a second. With more than their routes, the numbers of some are older.
const MESSAGES: usize = 4;

/// What one agent was told.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// The number of the last change that it was told, and of the last route that has ended.
    routes: u64,
    ended: u64,
}

impl Feed {
    /// The next messages: one at least.
    pub(crate) fn next(&mut self, sums: &mut Sums, instance: u64) -> Vec<Stats> {
        let mut changed: Vec<_> = sums
            .routes
            .iter()
            .filter(|(_, sum)| sum.changed > self.routes)
            .collect();
        changed.sort_by_key(|(_, sum)| sum.changed);
        let mut messages = Vec::new();
        for some in changed.chunks(ROUTES).take(MESSAGES) {
            self.routes = some.last().map_or(self.routes, |(_, sum)| sum.changed);
            messages.push(Stats {
                instance,
                routes: some
                    .iter()
                    .map(|(key, sum)| ((*key).clone(), sum.counts))
                    .collect(),
                ..Stats::default()
            });
        }
        // Their sum was told before them: for a moment they are counted twice, and never not at all.
        let told = self.routes;
        let ended = sums.ended.iter();
        let ended = ended.filter(|(change, _)| *change > self.ended && *change <= told);
        let ended: Vec<_> = ended.take(ROUTES).cloned().collect();
        if let Some((change, _)) = ended.last() {
            self.ended = *change;
            messages.push(Stats {
                instance,
                ended: ended.into_iter().map(|(_, key)| key).collect(),
                ..Stats::default()
            });
        }
        if messages.is_empty() {
            messages.push(Stats {
                instance,
                ..Stats::default()
            });
        }
        if let Some(last) = messages.last_mut() {
            last.totals = sums.totals.0.to_vec();
        }
        // There is one agent. One that comes later is not told of them at all, unless it is the same one.
        let told = self.ended;
        sums.ended.retain(|(change, _)| *change > told);
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::Feed;
    use crate::stats::{Stats, Sums};
    use lb_router_wire::stats::{ROUTES, RouteKey, Total};
    use lb_routes::route::Route;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn route() -> Arc<Route> {
        let labels = [
            ("com.docker.lb.hosts", "a.test"),
            ("com.docker.lb.port", "80"),
        ];
        let labels: BTreeMap<String, String> = labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect();
        let mut routes = lb_routes::labels::declared("web", &labels).routes;
        Arc::new(routes.remove(0))
    }

    fn sums(services: usize) -> Sums {
        let (stats, mut sums) = (Stats::default(), Sums::default());
        for number in 0..services {
            let service = format!("s{number}").as_str().into();
            stats
                .of(&service, &route())
                .count(|it| it.status(Some(200)));
        }
        stats.up(Total::LogDropped);
        stats.add_to(&mut sums);
        sums
    }

    #[test]
    fn what_changes_is_told_once_and_sums_grow() {
        let stats = Stats::default();
        let (mut sums, mut feed) = (Sums::default(), Feed::default());
        let (service, route) = ("s".into(), route());
        for expected in 1..3 {
            stats.of(&service, &route).count(|it| it.status(Some(200)));
            stats.add_to(&mut sums);
            let [message] = &feed.next(&mut sums, 7)[..] else {
                panic!("one message");
            };
            assert_eq!(message.instance, 7);
            assert_eq!(message.routes[0].0.service, "s");
            assert_eq!(message.routes[0].1.requests[1], expected);
        }
        stats.add_to(&mut sums);
        assert!(feed.next(&mut sums, 7)[0].routes.is_empty());
        let another = Feed::default().next(&mut sums, 7);
        assert_eq!(another[0].routes.len(), 1, "another agent is told all");
        assert!(stats.routes.borrow().is_empty(), "nobody uses it");
    }

    #[test]
    fn many_routes_are_told_piece_by_piece() {
        let mut sums = sums(ROUTES * 5);
        let mut feed = Feed::default();
        let count = |messages: Vec<lb_router_wire::stats::Stats>| -> usize {
            let most = messages.iter().map(|it| it.routes.len()).max();
            assert!(most <= Some(ROUTES));
            assert_eq!(
                messages.last().unwrap().totals[Total::LogDropped as usize],
                1
            );
            messages.iter().map(|it| it.routes.len()).sum()
        };
        assert_eq!(count(feed.next(&mut sums, 1)), ROUTES * 4);
        assert_eq!(count(feed.next(&mut sums, 1)), ROUTES);
        assert_eq!(count(feed.next(&mut sums, 1)), 0);
    }

    #[test]
    fn routes_that_are_gone_for_long_are_counted_together() {
        let mut sums = sums(3);
        let mut feed = Feed::default();
        feed.next(&mut sums, 1);
        let now = Instant::now();
        sums.fold(now, |_| true);
        sums.fold(now + Duration::from_secs(600), |_| false);
        sums.fold(now + Duration::from_secs(1199), |_| false);
        assert_eq!(sums.routes.len(), 3);
        sums.fold(now + Duration::from_secs(1200), |_| false);
        let messages = feed.next(&mut sums, 1);
        let [sum, ended] = &messages[..] else {
            panic!("{messages:?}");
        };
        assert_eq!(sum.routes[0].0, RouteKey::default());
        assert_eq!(sum.routes[0].1.requests[1], 3);
        assert_eq!(ended.ended.len(), 3);
        assert_eq!(feed.next(&mut sums, 1)[0].ended.len(), 0);
    }
}
