//! Bytes and back, whatever comes.

use crate::certificates::{Certificate, Certificates};
use crate::fds;
use crate::frame::{Decoder, FrameError, Message, encode};
use crate::stats::{Counts, Outcome, RouteKey, Stats, Total};
use crate::{Change, EntryPoint, Listener, Service, Task, ToAgent, ToRouter, View};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

fn tasks() -> impl Strategy<Value = Task> {
    let address = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits))),
        any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from(bits))),
    ];
    (
        any::<u64>(),
        "[a-z0-9]{0,25}",
        address,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(key, id, address, local, leaving)| Task {
            key,
            id,
            address,
            node: "node1".into(),
            local,
            leaving,
        })
}

fn services() -> impl Strategy<Value = Service> {
    let labels = proptest::collection::btree_map("[a-z.]{1,20}", ".{0,20}", 0..4);
    (
        "[a-z0-9]{25}",
        any::<u64>(),
        labels,
        proptest::collection::vec(tasks(), 0..4),
    )
        .prop_map(|(id, created_ns, labels, tasks)| Service {
            name: format!("name-of-{id}"),
            id,
            created_ns,
            labels,
            tasks,
        })
}

fn messages() -> impl Strategy<Value = ToRouter> {
    let services = || proptest::collection::vec(services(), 0..3);
    let listener = (0..3_u8, any::<u32>()).prop_map(|(entry_point, worker)| Listener {
        entry_point: match entry_point {
            0 => EntryPoint::Http,
            1 => EntryPoint::Https,
            _ => EntryPoint::Unknown,
        },
        worker,
    });
    prop_oneof![
        (".{0,9}", ".{0,9}", any::<bool>()).prop_map(|(version, hostname, stats)| {
            ToRouter::Hello {
                version,
                hostname,
                stats,
            }
        }),
        proptest::collection::vec(listener, 0..5).prop_map(ToRouter::Listeners),
        (any::<u64>(), services())
            .prop_map(|(version, services)| ToRouter::View(View { version, services })),
        (
            any::<u64>(),
            any::<u64>(),
            services(),
            proptest::collection::vec("[a-z0-9]{25}", 0..3)
        )
            .prop_map(|(from, to, services, removed)| ToRouter::Change(Change {
                from,
                to,
                services,
                removed,
            })),
        proptest::collection::vec(any::<u64>(), 0..9).prop_map(ToRouter::Leaving),
    ]
}

proptest! {
    #[test]
    fn messages_arrive_however_the_stream_is_cut(
        sent in proptest::collection::vec(messages(), 0..5),
        piece in 1..50_usize,
    ) {
        let bytes: Vec<u8> = sent.iter().cloned().flat_map(encode).collect();
        let mut decoder = Decoder::<ToRouter>::default();
        let mut received = Vec::new();
        for piece in bytes.chunks(piece) {
            decoder.push(piece);
            while let Some(message) = decoder.next_message().unwrap() {
                received.push(message);
            }
        }
        prop_assert_eq!(received, sent);
    }

    #[test]
    fn no_bytes_stop_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = Decoder::<ToAgent>::default();
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.next_message() {}
        let _ = ToRouter::decode(&bytes);
    }
}

fn stats() -> Stats {
    let key = RouteKey {
        service: "s".into(),
        family: "traefik".into(),
        name: "r".into(),
    };
    let mut counts = Counts {
        bytes_in: 1,
        bytes_out: 2,
        broken: 3,
        under_way: 4,
        ..Counts::default()
    };
    counts.took(1_001);
    counts.answered(900);
    counts.status(Some(404));
    counts.tried(Outcome::Timeout);
    Stats {
        instance: 9,
        routes: vec![(key.clone(), counts)],
        ended: vec![key],
        totals: vec![0, 5],
    }
}

#[test]
fn the_largest_message_of_statistics_is_read() {
    let key = RouteKey {
        service: "s".repeat(64),
        family: "com.docker.lb".into(),
        name: "n".repeat(crate::stats::NAME),
    };
    let most = Counts {
        requests: [u64::MAX; 6],
        latency: [u64::MAX; crate::stats::BUCKETS],
        tries: [u64::MAX; 5],
        broken: u64::MAX,
        bytes_in: u64::MAX,
        bytes_out: u64::MAX,
        latency_us: u64::MAX,
        upstream: [u64::MAX; crate::stats::BUCKETS],
        upstream_us: u64::MAX,
        under_way: u64::MAX,
    };
    let stats = Stats {
        instance: u64::MAX,
        routes: vec![(key, most); crate::stats::ROUTES],
        ended: Vec::new(),
        totals: vec![u64::MAX; Total::ALL.len()],
    };
    let mut decoder = Decoder::default();
    decoder.push(&encode(ToAgent::Stats(stats.clone())));
    let read = decoder.next_message().unwrap();
    assert_eq!(read, Some(ToAgent::Stats(stats)));
}

#[test]
fn times_fall_into_their_buckets() {
    let mut counts = Counts::default();
    for us in [0, 500, 501, 30_000_000, 30_000_001] {
        counts.took(us);
    }
    let last = crate::stats::BUCKETS - 1;
    let found = [0, 1, last - 1, last].map(|bucket| counts.latency[bucket]);
    assert_eq!(found, [2, 1, 1, 1]);
    counts.answered(700);
    let mut twice = counts;
    twice.add(&counts);
    assert_eq!((twice.upstream[1], twice.upstream_us), (2, 1_400));
    assert_eq!(counts.latency[1], 1, "another histogram");
    for status in [Some(101), Some(200), Some(999), None] {
        counts.status(status);
    }
    assert_eq!(counts.requests, [1, 1, 0, 0, 1, 1]);
}

#[test]
fn answers_of_a_router_arrive() {
    let sent = [
        ToAgent::Hello {
            version: "0.1.0".into(),
            workers: 2,
            listeners: vec![Listener {
                entry_point: EntryPoint::Https,
                worker: 1,
            }],
        },
        ToAgent::Applied(7),
        ToAgent::Resend,
        ToAgent::Stats(stats()),
        ToAgent::Certificates(Certificates {
            certificates: vec![Certificate {
                file: "a.crt".into(),
                keys: vec!["a.key".into()],
                names: vec!["a.test".into(), "*.a.test".into()],
                expires_s: 7,
            }],
            more: true,
        }),
    ];
    let mut decoder = Decoder::default();
    for message in sent.clone() {
        decoder.push(&encode(message));
    }
    let received: Vec<ToAgent> = std::iter::from_fn(|| decoder.next_message().unwrap()).collect();
    assert_eq!(received, sent);
}

#[test]
fn a_message_of_a_later_version_is_skipped() {
    let mut decoder = Decoder::default();
    // Field 15, two bytes.
    decoder.push(&[0, 0, 0, 4, 0x7a, 2, 1, 2]);
    decoder.push(&encode(ToAgent::Resend));
    assert_eq!(decoder.next_message().unwrap(), Some(ToAgent::Resend));
    assert_eq!(decoder.next_message().unwrap(), None);
}

#[test]
fn a_router_cannot_fill_the_agents_memory() {
    let mut decoder = Decoder::<ToAgent>::default();
    decoder.push(&[0, 1, 0, 1]);
    let refused = decoder.next_message().unwrap_err();
    assert!(
        matches!(refused, FrameError::TooLong { bytes: 65_537, .. }),
        "{refused}"
    );
}

#[test]
fn a_task_without_an_address_of_this_version_is_left_out() {
    let mut message = crate::proto::Service::from(Service {
        id: "s".into(),
        ..Service::default()
    });
    let task = |address: &[u8]| crate::proto::Task {
        address: address.to_vec(),
        ..crate::proto::Task::default()
    };
    message.tasks = vec![task(&[]), task(&[127, 0, 0, 1]), task(&[0; 5])];
    let view = crate::proto::to_router::Kind::View(crate::proto::View {
        version: 1,
        services: vec![message],
    });
    let read = crate::proto::ToRouter { kind: Some(view) }.into_message();
    let Some(ToRouter::View(view)) = read else {
        panic!("{read:?}");
    };
    let addresses: Vec<IpAddr> = view.services[0]
        .tasks
        .iter()
        .map(|task| task.address)
        .collect();
    assert_eq!(addresses, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
}

#[test]
fn sockets_go_along_with_a_message() {
    let listeners: Vec<TcpListener> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let (agent, router) = UnixStream::pair().unwrap();
    let listener = Listener {
        entry_point: EntryPoint::Http,
        worker: 0,
    };
    let bytes = encode(ToRouter::Listeners(vec![listener; 3]));
    let sockets: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    assert_eq!(
        fds::send(agent.as_fd(), &bytes, &sockets).unwrap(),
        bytes.len()
    );
    drop(agent);
    let mut buffer = [0; 1024];
    let (length, received) = fds::receive(router.as_fd(), &mut buffer).unwrap();
    assert_eq!(&buffer[..length], bytes);
    let addresses = received
        .into_iter()
        .map(|socket| TcpListener::from(socket).local_addr().unwrap());
    let expected = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap());
    assert!(addresses.eq(expected));
    assert_eq!(
        fds::receive(router.as_fd(), &mut buffer).unwrap().0,
        0,
        "closed"
    );
}

#[test]
fn more_sockets_than_the_kernel_takes_are_an_error() {
    let (agent, _router) = UnixStream::pair().unwrap();
    let sockets = vec![agent.as_fd(); fds::MOST + 1];
    assert!(fds::send(agent.as_fd(), b"x", &sockets).is_err());
}
