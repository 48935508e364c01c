//! The client's count of SYNs that were sent again: loads are judged by it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use harness::client::Client;
use harness::netns::Netns;
use harness::shared;
use nix::sys::socket::{Backlog, listen};

#[test]
fn a_syn_that_nobody_answers_is_counted_when_it_is_sent_again() {
    if !shared::is_root() {
        return;
    }
    let netns = Netns::create(&format!("lbsyn{}", std::process::id())).unwrap();
    let client = Client::new(Netns::named(netns.name()));
    let listener = netns
        .run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .unwrap()
        .unwrap();
    let at = listener.local_addr().unwrap();
    // Room for one connection that nobody accepts: the kernel drops the SYNs of others.
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let connect = |limit| {
        client
            .netns()
            .run(|| TcpStream::connect_timeout(&at, limit))
    };
    let one = connect(Duration::from_secs(10)).unwrap();
    assert!(one.is_ok(), "{one:?}");
    assert_eq!(client.syns_sent_again().unwrap(), 0);
    // Linux sends a SYN again after one second, and after two more.
    let other = connect(Duration::from_millis(1_500)).unwrap();
    assert!(other.is_err(), "{other:?}");
    assert_eq!(client.syns_sent_again().unwrap(), 1);
}
