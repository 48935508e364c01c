//! Tasks of routed services at addresses of their own, for the HTTP router of each node.
//!
//! A task here is called by its address on the bridge. One elsewhere has a route address that leads into the tunnel, and the
//! packet's destination and number together name it to its node (ADR 0019).

use super::Lowering;
use crate::backend::ipvs::allocator;
use crate::backend::ipvs::state::{Element, EncapRoute};
use crate::desired::{Backend, Locality, Service};
use crate::model::ids::Key;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

impl Lowering<'_> {
    /// Serves the tasks of `service` at the ports to which routes lead, and notes their addresses.
    pub(super) fn own_ports(&mut self, service: &Service, addresses: &mut BTreeMap<Key, Ipv4Addr>) {
        if service.routed_ports.is_empty() {
            return;
        }
        for (task, backend) in &service.backends {
            match backend.locality {
                Locality::Local { .. } => {
                    for port in &service.routed_ports {
                        self.own_port_here(*task, service, backend, *port);
                    }
                    addresses.insert(*task, backend.address);
                }
                Locality::Remote => {
                    let address = self.own_address_elsewhere(*task, backend);
                    addresses.extend(address.map(|address| (*task, address)));
                }
            }
        }
    }

    /// A port of a task of this node: for what comes out of the tunnel for it, and for what the task answers.
    fn own_port_here(&mut self, task: Key, service: &Service, backend: &Backend, number: u16) {
        let port = Port::new(Be16::new(number), TCP);
        let id = allocator::own_port_id(task);
        let mark = self.mark(id, task, port);
        self.marked(mark, (backend.address, number));
        let elements = &mut self.out.state.elements;
        let network = allocator::own_network(task);
        elements.insert(Element::OwnPortMark(id, network, number, mark));
        if service.tracked {
            elements.insert(Element::TrackedReply(backend.address, port));
        } else {
            // One of both: what the task answers is looked up in one set.
            elements.remove(&Element::LocalReply(backend.address, port));
            elements.insert(Element::OwnReply(backend.address, port));
        }
    }

    /// The address of a task of another node. Without one are tasks of nodes that are not known, and such of which four others have
    /// the bits: they are not called.
    fn own_address_elsewhere(&mut self, task: Key, backend: &Backend) -> Option<Ipv4Addr> {
        let peer = backend.address;
        let back = self.out.state.route_to_peer(peer)?;
        let address = self.own_addresses.allocate(task)?;
        let state = &mut self.out.state;
        state.elements.insert(Element::OwnAddress(address, back));
        let route = EncapRoute {
            id: allocator::own_port_id(task),
            node: peer,
            source: Some(self.host.address),
        };
        state.routes.insert(address, route);
        Some(address)
    }
}
