//! A client, as its requests share it.

use super::connections::Open;
use crate::clock::Seconds;
use http::Version;
use lb_routes::heads::Downstream;
use lb_routes::rule::Host;
use lb_routes::table::EntryPoint;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::rc::Rc;

/// A client, as its requests share it.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its address.
    pub(crate) address: IpAddr,
    /// What is served on the port that it came to.
    pub(crate) entry_point: EntryPoint,
    /// The port that it came to.
    pub(super) port: u16,
    /// The name that it asked for in the handshake of TLS.
    pub(crate) tls_name: OnceCell<Host>,
    pub(super) open: Open,
}

impl Client {
    /// As the header fields of its requests tell it to tasks.
    pub(crate) fn downstream(&self) -> Downstream {
        Downstream {
            address: self.address,
            port: self.port,
            tls: self.entry_point == EntryPoint::Https,
        }
    }

    /// Ends the connection after the requests that are under way: what follows them on it may be anything.
    pub(crate) fn close(&self) {
        self.open.close(Seconds::now());
    }

    /// Is the router about to end? Then a connection of HTTP/1.1 ends with its next answer.
    pub(crate) fn is_draining(&self) -> bool {
        self.open.is_draining()
    }

    /// Counts a request as under way until what this returns is dropped.
    pub(crate) fn request(self: &Rc<Self>, version: Version) -> UnderWay {
        let http2 = version >= Version::HTTP_2;
        self.open.begin(http2, Seconds::now());
        UnderWay(self.clone())
    }
}

/// A request that is under way.
pub(crate) struct UnderWay(Rc<Client>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.open.end(Seconds::now());
    }
}
