//! A client, as its requests share it.

use super::connections::Open;
use crate::clock::Seconds;
use crate::stats::Stats;
use http::Version;
use lb_router_wire::stats::Total;
use lb_routes::heads::Downstream;
use lb_routes::rule::Host;
use lb_routes::table::EntryPoint;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A client, as its requests share it.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its address.
    pub(crate) address: IpAddr,
    /// What is served on the port that it came to.
    pub(crate) entry_point: EntryPoint,
    /// Its port.
    pub(super) peer_port: u16,
    /// The port that it came to.
    pub(crate) port: u16,
    /// The name that it asked for in the handshake of TLS.
    pub(crate) tls_name: OnceCell<Host>,
    /// The version of TLS that it speaks.
    pub(super) tls_version: Cell<&'static str>,
    /// Where its connection is counted.
    pub(super) counted: Cell<Total>,
    pub(super) stats: Rc<Stats>,
    pub(super) open: Open,
    /// Made for the first request.
    pub(super) downstream: OnceCell<Downstream>,
    pub(super) upgrade: RefCell<Upgrade>,
}

/// Whether a connection of HTTP/1.1 becomes one of another protocol (RFC 9110, section 7.8).
#[derive(Debug, Default)]
pub(super) enum Upgrade {
    /// It does not.
    #[default]
    No,
    /// It does so after the answer that is sent.
    Accepted,
    /// It has done so, and waits for a tunnel to take it.
    Stream(Box<dyn Duplex>),
}

/// Bytes in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Unpin + fmt::Debug> Duplex for S {}

impl Client {
    /// As the header fields of its requests tell it to tasks.
    pub(crate) fn downstream(&self) -> &Downstream {
        let tls = self.entry_point == EntryPoint::Https;
        let make = || Downstream::new(self.address, self.port, tls);
        self.downstream.get_or_init(make)
    }

    /// Ends the connection after the requests that are under way: what follows them on it may be anything.
    pub(crate) fn close(&self) {
        self.open.close(Seconds::now());
    }

    /// Waits for the word to end its connection at once. Where that has become one of another protocol, it is for the tunnel
    /// to wait for it: nobody else does.
    pub(crate) async fn told_to_end(&self) {
        self.open.told_to_end().await;
    }

    /// Its address and port.
    pub(crate) fn peer(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.peer_port)
    }

    /// The name of what is served on the port that it came to.
    pub(crate) fn entry_point_name(&self) -> &'static str {
        match self.entry_point {
            EntryPoint::Http => "http",
            EntryPoint::Https => "https",
        }
    }

    /// Version of TLS, and the name that it asked for in it.
    pub(crate) fn tls(&self) -> Option<(&'static str, &str)> {
        let name = self.tls_name.get().map_or("", Host::as_str);
        (self.entry_point == EntryPoint::Https).then_some((self.tls_version.get(), name))
    }

    /// Is the router about to end? Then a connection of HTTP/1.1 ends with its next answer.
    pub(crate) fn is_draining(&self) -> bool {
        self.open.is_draining()
    }

    /// Its connection becomes one of another protocol after the answer that is sent.
    pub(crate) fn accept_upgrade(&self) {
        self.upgrade.replace(Upgrade::Accepted);
    }

    /// Is its connection to become one of another protocol?
    pub(super) fn is_to_upgrade(&self) -> bool {
        matches!(*self.upgrade.borrow(), Upgrade::Accepted)
    }

    /// Its connection has become one of another protocol.
    pub(super) fn upgraded(&self, stream: Box<dyn Duplex>) {
        self.upgrade.replace(Upgrade::Stream(stream));
    }

    /// The connection, if it has become one of another protocol.
    pub(crate) fn take_upgraded(&self) -> Option<Box<dyn Duplex>> {
        match self.upgrade.take() {
            Upgrade::Stream(stream) => Some(stream),
            Upgrade::No | Upgrade::Accepted => None,
        }
    }

    /// Are more requests under way than there may be, of all clients or of this address?
    pub(crate) fn requests_are_too_many(&self) -> bool {
        self.open.are_too_many()
    }

    /// Counts a request as under way until what this returns is dropped.
    pub(crate) fn request(self: &Rc<Self>, version: Version) -> UnderWay {
        let http2 = version >= Version::HTTP_2;
        self.open.begin(http2, Seconds::now());
        let counted = match (self.entry_point, http2) {
            (EntryPoint::Http, true) => Total::ConnectionsHttp2,
            (EntryPoint::Http, false) => Total::ConnectionsHttp1,
            (EntryPoint::Https, true) => Total::ConnectionsHttps2,
            (EntryPoint::Https, false) => Total::ConnectionsHttps1,
        };
        // A connection speaks one version.
        if self.counted.get() != counted {
            self.stats.down(self.counted.replace(counted));
            self.stats.up(counted);
        }
        UnderWay(self.clone())
    }

    /// Counts the body of a request as under way, which may go on after the answer has ended.
    pub(crate) fn body(self: &Rc<Self>) -> BodyUnderWay {
        self.open.body_begins();
        BodyUnderWay(self.clone())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stats.down(self.counted.get());
    }
}

/// The body of a request that is under way.
#[derive(Debug)]
pub(crate) struct BodyUnderWay(Rc<Client>);

impl Drop for BodyUnderWay {
    fn drop(&mut self) {
        self.0.open.body_ends(Seconds::now());
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Rc<Client>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.open.end(Seconds::now());
    }
}
