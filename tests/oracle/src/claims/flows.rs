//! Assertions about the tables of flows.

use super::{Event, inside};
use crate::hook::Hook;
use crate::sums::{self, ETHERNET, TCP, UDP};
use lb_abi::flow::{ANSWERED, EMBRYONIC, Flow, TIMED, Tuple};
use lb_abi::service::{ACTIVE, ADDRESSED, AffinityKey, Port, RESTRICTED, ROUTED, Slot, Source};
use lb_datapath::Tables as _;
use lb_datapath::tunnel::Direction;

/// Flags of TCP.
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

impl Event<'_> {
    /// Asserts about entries in the table of flows.
    pub(super) fn flows(&self) {
        let (was, is) = (self.was.flows.borrow(), self.is.flows.borrow());
        assert!(self.is.flows_lru.borrow().shadowed.is_empty(), "two flows");
        let hidden = self.is.replies_lru.borrow();
        assert!(hidden.shadowed.is_empty(), "two ways back");
        for (tuple, flow) in is.iter() {
            let known = was.get(tuple);
            self.table(tuple, flow, known);
            if known
                .is_some_and(|known| known.task == flow.task && known.ingress() == flow.ingress())
            {
                continue;
            }
            // A process's call was decided when it was made.
            if self.hook == Hook::Egress {
                continue;
            }
            assert!(self.was.backends.contains_key(&flow.task), "to no task");
            if let Some(opened) = self.tunnelled() {
                self.of_one_service(tuple, flow, opened.direction);
                let own = known.is_some_and(Flow::came_here);
                let (client, called) = (tuple.source, tuple.destination);
                let mine = own && client != opened.sender && self.was.is_vip(called);
                let quiet = known.map_or(0, |known| self.was.now.wrapping_sub(known.seen));
                let over = known.is_some_and(|known| Flow::closed(known.state)) || quiet >= 170;
                assert!(!mine || over, "another node took a flow of this one's");
                continue;
            }
            if let Some(known) = known {
                self.moved(tuple, known);
            }
            assert!(flow.came_here());
            assert!(!self.was.expired, "a new flow without a lease");
            self.scheduled(tuple, flow);
        }
    }

    /// A flow whose packet came from its client, and which was given another task.
    fn moved(&self, tuple: &Tuple, known: &Flow) {
        let Some(backend) = self.was.backends.get(&known.task) else {
            return;
        };
        // Its client sends its first packet again, and the task takes nothing new, or has had time to answer.
        let silent = known.state & (ANSWERED | TIMED) == 0 && self.since(known.begun) >= 700.0;
        let embryonic = known.state & EMBRYONIC != 0;
        let unanswered = embryonic && (backend.flags & ACTIVE == 0 || silent);
        // Another node told of it, and now its client comes to this one.
        let here = !known.came_here()
            && !known.came_from(tuple.source)
            && self.was.is_vip(tuple.destination);
        let over = Flow::closed(known.state);
        assert!(over || unanswered || here, "a flow has moved");
    }

    /// Asserts that a flow to one service's port has no task of another service, even if another node says so.
    fn of_one_service(&self, tuple: &Tuple, flow: &Flow, direction: Direction) {
        let port = Port::new(tuple.destination_port, tuple.proto);
        let frontend = self.was.frontend(&port).map(|frontend| frontend.service);
        let backend = self.was.backends.get(&flow.task);
        let service = backend.map(|backend| backend.service);
        let asked = backend.is_some_and(|backend| backend.flags & (ADDRESSED | ROUTED) != 0);
        assert!(
            frontend == service || (direction == Direction::ToOwn && asked),
            "a task of another service"
        );
    }

    /// A flow that this node has begun.
    fn scheduled(&self, tuple: &Tuple, flow: &Flow) {
        let port = Port::new(tuple.destination_port, tuple.proto);
        let frontend = self.was.frontend(&port);
        let frontend = frontend.unwrap_or_else(|| panic!("a flow to no frontend"));
        let source = Source {
            port,
            address: tuple.source,
        };
        let allowed = frontend.flags & RESTRICTED == 0 || self.was.allowed(&source);
        assert!(allowed, "a flow of a client that is not allowed");
        let table = frontend.table;
        let slot = |index| self.was.slot(&Slot { table, index });
        let listed = (0..frontend.count).any(|index| slot(index) == Some(flow.task));
        let client = AffinityKey::new(frontend.service, tuple.source);
        let stays = self
            .was
            .affinity(&client)
            .is_some_and(|kept| kept.task == flow.task);
        assert!(
            listed || (frontend.affinity_ticks != 0 && stays),
            "a task that takes none"
        );
    }

    /// A flow is among the settled ones only once its client has proved to be there, and until it is closed.
    fn table(&self, tuple: &Tuple, flow: &Flow, known: Option<&Flow>) {
        if flow.state & EMBRYONIC != 0 {
            return;
        }
        let settled = known.is_some_and(|known| known.state & EMBRYONIC == 0);
        if Flow::closed(flow.state) {
            // Nobody is left to whom its last packets go.
            let gone = self.hook == Hook::Egress || !self.was.backends.contains_key(&flow.task);
            assert!(gone, "closed, and still among those that live");
        }
        if settled {
            return;
        }
        let known = known.unwrap_or_else(|| panic!("settled from the beginning"));
        if tuple.proto == UDP || known.state & TIMED != 0 {
            assert!(known.state & ANSWERED != 0, "settled without an answer");
            assert!(self.since(known.begun) >= 2000.0, "settled at once");
        } else {
            let (flags, number) = self.acknowledges().unwrap_or_default();
            assert_eq!(
                flags & (SYN | RST | ACK),
                ACK,
                "settled by what anybody sends"
            );
            let beyond = u64::from(number) + (1 << 32) - u64::from(known.proof);
            assert!(beyond % (1 << 32) < 65_536, "settled by a number of chance");
        }
    }

    /// Milliseconds since a flow began.
    fn since(&self, begun: u32) -> f64 {
        f64::from(self.was.clock().wrapping_sub(begun)) * 1.048_576
    }

    /// Flags and acknowledgement number of a TCP segment, also of one out of the tunnel.
    fn acknowledges(&self) -> Option<(u8, u32)> {
        let frame = match self.tunnelled() {
            Some(_) => inside(self.before),
            None => self.before.to_vec(),
        };
        let packet = sums::packet(&frame, ETHERNET)?;
        let number = packet.payload.get(8..12)?.try_into().ok()?;
        let flags = *packet.payload.get(13)?;
        (packet.proto == TCP).then_some((flags, u32::from_be_bytes(number)))
    }
}
