//! Sessions over real sockets. Time is paused: it goes on when everybody waits.

use super::*;
use crate::router::Router;
use crate::router::feed::Routed;
use crate::router::testing::{TestRouter, agent, ports, service};
use lb_core::backend::TaskAddresses;
use lb_router_wire::EntryPoint;
use lb_router_wire::certificates::{Certificate, Certificates};
use lb_router_wire::stats::{Counts, RouteKey, Stats};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinHandle;

fn routed(tasks: &[(u64, bool)]) -> Routed {
    [("s".into(), service(tasks))].into()
}

/// A router with its session.
fn connect(agent: &Router) -> (TestRouter, JoinHandle<SessionEnd>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let session = tokio::spawn(serve(ours, Arc::clone(&agent.shared)));
    (TestRouter::new(theirs), session)
}

/// A router of so many threads that has got routes and sockets.
async fn connected(agent: &Router, workers: u32) -> (TestRouter, JoinHandle<SessionEnd>) {
    agent.publish(&routed(&[(1, true)]), &TaskAddresses::ByKey);
    let (mut router, session) = connect(agent);
    router.hello(workers, &[]).await;
    let messages = router.all().await;
    assert!(matches!(
        &messages[..],
        [
            ToRouter::Hello { .. },
            ToRouter::View(_),
            ToRouter::Listeners(_)
        ]
    ));
    (router, session)
}

#[tokio::test(start_paused = true)]
async fn a_router_gets_routes_then_sockets_and_from_then_on_what_changes() {
    let agent = agent(ports());
    let (mut router, _session) = connect(&agent);
    router.hello(2, &[]).await;
    let hello = ToRouter::Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: "node1".to_owned(),
        stats: true,
    };
    assert_eq!(
        router.all().await,
        [hello],
        "no view is known yet, so nobody is to be answered"
    );
    agent.publish(&routed(&[(1, true), (2, true)]), &TaskAddresses::ByKey);
    let messages = router.all().await;
    let [ToRouter::View(view), ToRouter::Listeners(listeners)] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!((view.version, view.services.len()), (1, 1));
    use EntryPoint::{Http, Https};
    let told = listeners
        .iter()
        .map(|listener| (listener.entry_point, listener.worker));
    assert!(told.eq([(Http, 0), (Http, 1), (Https, 0), (Https, 1)]));
    assert_eq!(router.sockets.len(), 4);
    router.say(ToAgent::Applied(1), &[]).await;
    let next = routed(&[(1, true), (2, false)]);
    agent.prepare(&next);
    assert_eq!(router.all().await, [ToRouter::Leaving(vec![2])]);
    agent.publish(&next, &TaskAddresses::ByKey);
    let messages = router.all().await;
    let [ToRouter::Change(change)] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!((change.from, change.to, change.services.len()), (1, 2, 1));
    agent.publish(&next, &TaskAddresses::ByKey);
    assert_eq!(router.all().await, []);
    let status = agent.status();
    let report = RouterReport {
        version: "1.2.3".to_owned(),
        workers: 2,
        applied: Some(1),
    };
    assert_eq!((status.view, status.connected), (Some(2), vec![report]));
}

#[tokio::test(start_paused = true)]
async fn a_view_without_services_is_sent_too() {
    let agent = agent(ports());
    agent.publish(&Routed::default(), &TaskAddresses::ByKey);
    let (mut router, _session) = connect(&agent);
    router.hello(1, &[]).await;
    let messages = router.all().await;
    assert!(
        matches!(&messages[1], ToRouter::View(view) if view.services.is_empty()),
        "{messages:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_whole_view_gets_one_but_not_more_often_than_every_2_s() {
    let agent = agent(ports());
    let (mut router, _session) = connected(&agent, 1).await;
    let began = Instant::now();
    for _ in 0..3 {
        router.say(ToAgent::Resend, &[]).await;
        router.say(ToAgent::Resend, &[]).await;
        let message = router.next().await;
        assert!(
            matches!(&message, Some(ToRouter::View(view)) if view.version == 1),
            "{message:?}"
        );
    }
    assert!(
        began.elapsed() >= Duration::from_millis(5_900),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_router_gets_the_same_sockets_and_more_threads_more_for_both() {
    let agent = agent(ports());
    let (mut first, _one) = connected(&agent, 2).await;
    let (second, _two) = connected(&agent, 2).await;
    assert_eq!(first.cookies(), second.cookies());
    assert_eq!(first.all().await, [], "nothing is new to it");
    let (third, _three) = connected(&agent, 3).await;
    assert_eq!(third.sockets.len(), 6);
    let messages = first.all().await;
    assert!(
        matches!(&messages[..], [ToRouter::Listeners(all)] if all.len() == 6),
        "{messages:?}"
    );
    assert_eq!(first.cookies(), third.cookies());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_keeps_no_client_waiting_once_no_router_is_left() {
    let ports = ports();
    let agent = agent(ports);
    let (router, session) = connected(&agent, 1).await;
    agent.shut_down();
    let sockets = || lock(&agent.shared.listeners).sockets(1).len();
    assert_eq!(sockets(), 2, "a router accepts");
    drop(router);
    let _ = session.await;
    assert_eq!(sockets(), 0);
    let refused = std::net::TcpStream::connect(("127.0.0.1", ports[0]));
    assert!(refused.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_next_agent_takes_over_the_sockets_of_a_router() {
    let ports = ports();
    let before = agent(ports);
    let (router, session) = connected(&before, 2).await;
    session.abort();
    drop(before);
    let after = agent(ports);
    after.publish(&Routed::default(), &TaskAddresses::ByKey);
    let (mut again, _session) = connect(&after);
    let other = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let mut offered: Vec<OwnedFd> = vec![other];
    offered.extend(
        router
            .sockets
            .iter()
            .map(|socket| socket.try_clone().unwrap()),
    );
    again.hello(2, &offered).await;
    again.all().await;
    assert_eq!(again.cookies(), router.cookies());
}

#[tokio::test(start_paused = true)]
async fn a_port_that_becomes_free_is_given_to_the_router() {
    let [http, https] = ports();
    let other = TcpListener::bind(("0.0.0.0", http)).unwrap();
    let agent = agent([http, https]);
    let (mut router, _session) = connected(&agent, 1).await;
    assert_eq!((router.sockets.len(), agent.problems().len()), (1, 1));
    drop(other);
    let message = router.next().await;
    assert!(
        matches!(&message, Some(ToRouter::Listeners(all)) if all.len() == 2),
        "{message:?}"
    );
    assert_eq!(agent.problems(), []);
}

#[tokio::test(start_paused = true)]
async fn what_a_router_may_not_do_ends_its_session_and_no_other() {
    let agent = agent(ports());
    let (mut good, session) = connected(&agent, 1).await;
    // Says nothing.
    let (_silent, end) = connect(&agent);
    assert!(matches!(end.await.unwrap(), SessionEnd::Silent));
    // Says something else first.
    let (router, end) = connect(&agent);
    router.say(ToAgent::Applied(1), &[]).await;
    assert!(matches!(end.await.unwrap(), SessionEnd::Order));
    // Says it twice.
    let (router, end) = connected(&agent, 1).await;
    router.hello(1, &[]).await;
    assert!(matches!(end.await.unwrap(), SessionEnd::Order));
    // Says what is no message, or one that is too long.
    for bytes in [[0, 0, 0, 1, 0xff], [0xff; 5]] {
        let (mut router, end) = connected(&agent, 1).await;
        router.stream.write_all(&bytes).await.unwrap();
        assert!(matches!(end.await.unwrap(), SessionEnd::Frame(_)));
    }
    // Passes sockets again and again.
    let (router, end) = connected(&agent, 1).await;
    let sockets: Vec<OwnedFd> = (0..65)
        .map(|_| std::fs::File::open("/dev/null").unwrap().into())
        .collect();
    router.say(ToAgent::Applied(1), &sockets).await;
    router.say(ToAgent::Applied(1), &sockets).await;
    assert!(matches!(
        end.await.unwrap(),
        SessionEnd::Sockets { most: 128 }
    ));
    // Closes.
    let (router, end) = connected(&agent, 1).await;
    drop(router);
    assert!(matches!(end.await.unwrap(), SessionEnd::Closed));
    assert_eq!(agent.status().connected.len(), 1);
    assert!(!session.is_finished());
    agent.publish(&Routed::default(), &TaskAddresses::ByKey);
    assert!(!good.all().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_router_that_does_not_read_is_dropped_after_10_s() {
    let agent = agent(ports());
    let (mut router, session) = connected(&agent, 1).await;
    let began = Instant::now();
    // More than a socket holds.
    let many: Vec<(u64, bool)> = (0..50_000).map(|key| (key, true)).collect();
    agent.publish(&routed(&many), &TaskAddresses::ByKey);
    assert!(matches!(session.await.unwrap(), SessionEnd::Slow { bytes } if bytes > 1_000_000));
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(agent.status().connected, []);
    // Who reads, however late in that time, gets all of it.
    let (mut slow, _session) = connect(&agent);
    slow.hello(1, &[]).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    let messages = slow.all().await;
    assert!(matches!(&messages[1], ToRouter::View(view) if view.services[0].tasks.len() == 50_000));
    drop(router.all().await);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_talks_without_end_is_read_at_100_messages_a_second() {
    let agent = agent(ports());
    let (router, _session) = connected(&agent, 1).await;
    let began = Instant::now();
    for number in 1..=1_000 {
        router.say(ToAgent::Applied(number), &[]).await;
        while agent.status().connected[0].applied != Some(number) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(
        began.elapsed() >= Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_router_counts_is_known_and_stays_and_it_is_one_router() {
    let agent = agent(ports());
    let (mut router, session) = connected(&agent, 1).await;
    let key = RouteKey {
        service: "s".to_owned(),
        family: "traefik".to_owned(),
        name: "r".to_owned(),
    };
    let mut counts = Counts::default();
    counts.status(Some(200));
    let stats = |instance| {
        ToAgent::Stats(Stats {
            instance,
            routes: vec![(key.clone(), counts)],
            ..Stats::default()
        })
    };
    let known = || {
        let stats = agent.stats();
        let routes = stats.routes.iter();
        let routes = routes.map(|it| (it.service_name.clone(), it.counts.requests["2xx"]));
        routes.collect::<Vec<_>>()
    };
    assert_eq!(known(), []);
    router.say(stats(1), &[]).await;
    router.say(stats(1), &[]).await;
    router.all().await;
    assert_eq!(known(), [("web".to_owned(), 1)]);
    router.say(stats(2), &[]).await;
    assert!(matches!(session.await.unwrap(), SessionEnd::Order));
    assert_eq!(known(), [("web".to_owned(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn certificates_of_a_router_are_known_and_those_that_end_are_problems_until_it_goes() {
    let agent = agent(ports());
    let (mut router, session) = connected(&agent, 1).await;
    assert_eq!(agent.certificates(), None);
    let certificate = |file: &str, expires_s| Certificate {
        file: file.to_owned(),
        keys: vec![format!("{file}.key")],
        names: vec!["a.example".to_owned()],
        expires_s,
    };
    let told = Certificates {
        certificates: vec![certificate("old", 86_400), certificate("new", u64::MAX)],
        more: false,
    };
    router.say(ToAgent::Certificates(told), &[]).await;
    router.all().await;
    assert_eq!(agent.certificates().map(|all| all.len()), Some(2));
    let [problem] = &agent.problems()[..] else {
        panic!("{:?}", agent.problems());
    };
    assert_eq!(problem.object, "certificate old");
    assert!(
        problem.message.contains("expired on 1970-01-02"),
        "{problem:?}"
    );
    let ends = || {
        let numbers = agent.stats().routers.into_iter();
        let ends = numbers.filter(|it| it.name == "certificate_expires_seconds");
        ends.map(|it| (it.labels["file"].clone(), it.value))
            .collect::<Vec<_>>()
    };
    let expected = [("old".to_owned(), 86_400), ("new".to_owned(), u64::MAX)];
    assert_eq!(ends(), expected);
    drop(router);
    let _ = session.await;
    assert_eq!((agent.certificates(), ends()), (None, Vec::new()));
    assert_eq!(agent.problems(), []);
}
