//! What each client address has of a worker: connections, and requests that are under way on them.

use hashbrown::HashMap;
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

/// What all addresses have that have a connection, by [`network`].
#[derive(Debug, Default)]
pub(super) struct Addresses(RefCell<HashMap<IpAddr, Rc<OfAddress>>>);

/// What one address has.
#[derive(Debug, Default)]
pub(super) struct OfAddress {
    connections: Cell<usize>,
    requests: Cell<usize>,
}

impl Addresses {
    /// Counts a connection in; `None` if its address has `most` of them already.
    pub(super) fn open(&self, address: IpAddr, most: usize) -> Option<Rc<OfAddress>> {
        let mut all = self.0.borrow_mut();
        let of_this = all.entry(network(address)).or_default();
        let connections = of_this.connections.get();
        if connections >= most {
            return None;
        }
        of_this.connections.set(connections + 1);
        Some(Rc::clone(of_this))
    }

    /// Counts a connection out.
    pub(super) fn close(&self, address: IpAddr) {
        let mut all = self.0.borrow_mut();
        let address = network(address);
        if let Some(of_this) = all.get(&address) {
            let connections = of_this.connections.get().saturating_sub(1);
            of_this.connections.set(connections);
            if connections == 0 {
                all.remove(&address);
            }
        }
    }
}

impl OfAddress {
    /// Counts a request in.
    pub(super) fn begin(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// Counts a request out.
    pub(super) fn end(&self) {
        self.requests.set(self.requests.get().saturating_sub(1));
    }

    /// Requests under way.
    pub(super) fn requests(&self) -> usize {
        self.requests.get()
    }
}

/// The network by which an address is counted: 64 bits of IPv6, of which one client has as many addresses as it likes (RFC
/// 6177).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
    }
}
