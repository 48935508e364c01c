use super::{Connections, Open};
use crate::clock::Seconds;
use crate::limits::Limits;
use crate::memory::Memory;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn connections(limits: Limits) -> Connections {
    Connections::new(limits, Memory::new(None), Rc::default())
}

/// With more memory in use than there may be.
fn short_of_memory() -> Connections {
    Connections::new(Limits::default(), Memory::new(Some(1)), Rc::default())
}

fn open(connections: &Connections, at: u32) -> Open {
    let open = connections.open(CLIENT, false, Seconds::at(at));
    open.unwrap()
}

/// Is the connection told to end at once, or after its requests (`close`)?
async fn is_told(open: &Open, close: bool) -> bool {
    let moment = Duration::from_millis(10);
    let told = async {
        if close {
            open.told_to_close().await;
        } else {
            open.told_to_end().await;
        }
    };
    tokio::time::timeout(moment, told).await.is_ok()
}

#[test]
fn an_address_has_so_many_connections_and_gets_room_when_one_ends() {
    let connections = connections(Limits {
        connections: 3,
        connections_of_address: 2,
        ..Limits::default()
    });
    let open = |address| connections.open(address, false, Seconds::now());
    let first = open(CLIENT).unwrap();
    let _second = open(CLIENT).unwrap();
    assert!(open(CLIENT).is_none());
    let _other = open(Ipv4Addr::new(127, 0, 0, 2).into()).unwrap();
    assert!(open(Ipv4Addr::new(127, 0, 0, 3).into()).is_none(), "of all");
    drop(first);
    assert!(open(CLIENT).is_some());
}

#[tokio::test]
async fn who_sends_no_request_is_ended_and_who_is_served_is_not() {
    let connections = connections(Limits {
        first_request: Duration::ZERO,
        ..Limits::default()
    });
    let (silent, served) = (open(&connections, 0), open(&connections, 0));
    served.begin(false, Seconds::at(0));
    connections.sweep(Seconds::at(0));
    silent.told_to_end().await;
    assert!(!is_told(&served, false).await);
}

#[tokio::test]
async fn who_was_asked_to_close_has_time_from_the_last_answer_on() {
    let connections = connections(Limits::default());
    let open = open(&connections, 0);
    open.begin(true, Seconds::at(0));
    connections.drain(Seconds::at(0));
    open.end(Seconds::at(20));
    connections.sweep(Seconds::at(34));
    assert!(!is_told(&open, false).await);
    connections.sweep(Seconds::at(35));
    assert!(is_told(&open, false).await);
}

#[tokio::test]
async fn who_idles_between_requests_is_asked_to_close_and_then_ended() {
    let connections = connections(Limits {
        first_request: Duration::ZERO,
        keep_alive: Duration::ZERO,
        ..Limits::default()
    });
    let idle = open(&connections, 0);
    idle.begin(false, Seconds::at(0));
    connections.sweep(Seconds::at(0));
    idle.end(Seconds::at(0));
    connections.sweep(Seconds::at(0));
    idle.told_to_close().await;
    connections.sweep(Seconds::at(0));
    idle.told_to_end().await;
    drop(idle);
    connections.ended().await;
}

#[test]
fn so_many_requests_are_under_way_at_a_time_on_all_connections() {
    let connections = connections(Limits {
        requests: 2,
        ..Limits::default()
    });
    // A balancer's address has no limit of its own.
    let open = || connections.open(CLIENT, true, Seconds::at(0)).unwrap();
    let (one, other) = (open(), open());
    one.begin(true, Seconds::at(0));
    other.begin(true, Seconds::at(0));
    assert!(!one.are_too_many());
    one.begin(true, Seconds::at(0));
    assert!(one.are_too_many() && other.are_too_many());
    other.end(Seconds::at(0));
    assert!(!one.are_too_many());
}

#[test]
fn an_address_has_a_quarter_of_the_requests_and_leaves_the_others_to_others() {
    let connections = connections(Limits {
        requests: 8,
        ..Limits::default()
    });
    let (one, same) = (open(&connections, 0), open(&connections, 0));
    let other = Ipv4Addr::new(127, 0, 0, 2).into();
    let other = connections.open(other, false, Seconds::at(0)).unwrap();
    one.begin(true, Seconds::at(0));
    same.begin(true, Seconds::at(0));
    assert!(!one.are_too_many());
    same.begin(true, Seconds::at(0));
    assert!(one.are_too_many() && same.are_too_many());
    other.begin(true, Seconds::at(0));
    assert!(!other.are_too_many());
    one.end(Seconds::at(0));
    assert!(!same.are_too_many());
}

#[tokio::test]
async fn where_memory_is_very_short_the_busiest_and_the_idle_end() {
    let connections = short_of_memory();
    let (busiest, busy, idle) = (
        open(&connections, 0),
        open(&connections, 0),
        open(&connections, 0),
    );
    busy.begin(true, Seconds::at(0));
    busiest.begin(true, Seconds::at(0));
    busiest.begin(true, Seconds::at(0));
    let new = open(&connections, 10);
    connections.relieve(Seconds::at(10));
    assert!(is_told(&busiest, false).await && is_told(&idle, false).await);
    assert!(!is_told(&busy, false).await && !is_told(&new, false).await);
    // One that was told does not count any more.
    connections.relieve(Seconds::at(10));
    assert!(is_told(&busy, false).await);
}

#[tokio::test]
async fn memory_is_looked_at_when_many_requests_have_come() {
    let connections = short_of_memory();
    let (idle, busy) = (open(&connections, 0), open(&connections, 0));
    for _ in 2..63 {
        busy.begin(true, Seconds::at(10));
    }
    assert!(!is_told(&idle, false).await);
    busy.begin(true, Seconds::at(10));
    assert!(is_told(&idle, false).await);
}

#[tokio::test]
async fn before_there_are_too_many_those_are_asked_to_close_that_idle_for_the_longest_time() {
    let connections = connections(Limits {
        connections: 16,
        ..Limits::default()
    });
    let used = |at| {
        let used = open(&connections, at);
        used.begin(false, Seconds::at(at));
        used.end(Seconds::at(at));
        used
    };
    let mut all: Vec<Open> = (0..14).map(used).collect();
    connections.relieve(Seconds::at(100));
    assert!(!is_told(&all[0], true).await, "there is room");
    all.push(used(14));
    connections.relieve(Seconds::at(100));
    for (number, open) in all.iter().enumerate() {
        assert_eq!(is_told(open, true).await, number < 4, "{number}");
    }
    assert!(!is_told(&all[0], false).await, "not at once");
}
